/** The most objects and arrays in a JSON text that the server reads as a whole: each costs far more memory than its characters. */
const MOST_CONTAINERS = 300_000

/** Whether the text of a session may be parsed: it holds no more objects and arrays than the server has memory for. It takes some ms for each 10 MiB. */
export function isModest (text: string): boolean {
  let containers = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x7b || code === 0x5b) containers++ // also those in strings: they are few in what a person keeps
  }
  return containers <= MOST_CONTAINERS
}
