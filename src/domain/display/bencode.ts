/** Bencoding, as Xpra's packets are written: integers, strings of bytes (here a character a byte), lists and dictionaries. */
export type Bencoded = number | string | Bencoded[] | Map<string, Bencoded>

const MOST_DEPTH = 8
const MOST_DIGITS = 15
const [LIST, DICTIONARY, INTEGER, END, COLON, ZERO, NINE] = [...Buffer.from('ldie:09')] as [number, number, number, number, number, number, number]

/** What cannot be read in exactly one way. */
export class NotBencoded extends Error {
  override readonly name = 'NotBencoded'
}

/**
 * Reads bytes that hold one value and no more. Whatever two readers could take for two things is refused: numbers with
 * signs or zeros in front, a key that comes twice, bytes behind the end.
 * @throws {NotBencoded}
 */
export function decode (bytes: Buffer): Bencoded {
  const text = bytes.toString('latin1')
  const number = /(0|-?[1-9]\d{0,14})([:e])/y
  let at = 0

  function readNumber (end: ':' | 'e'): number {
    number.lastIndex = at
    const [all = '', digits, found] = number.exec(text) ?? []
    if (found !== end) throw new NotBencoded('a number')
    at += all.length
    return Number(digits)
  }

  function readString (): string {
    const length = readNumber(':')
    if (length < 0 || at + length > text.length) throw new NotBencoded('a string')
    at += length
    return text.slice(at - length, at)
  }

  function * items<Item> (read: () => Item): Generator<Item> {
    at++
    while (text[at] !== 'e') {
      if (at >= text.length) throw new NotBencoded('an end')
      yield read()
    }
    at++
  }

  function readMap (depth: number): Map<string, Bencoded> {
    const map = new Map<string, Bencoded>()
    for (const key of items(readString)) {
      if (map.has(key)) throw new NotBencoded('a key once')
      map.set(key, read(depth))
    }
    return map
  }

  function read (depth: number): Bencoded {
    if (depth > MOST_DEPTH) throw new NotBencoded('less depth')
    switch (text[at]) {
      case 'i':
        at++
        return readNumber('e')
      case 'l': return [...items(() => read(depth + 1))]
      case 'd': return readMap(depth + 1)
      default: return readString()
    }
  }

  const value = read(0)
  if (at !== text.length) throw new NotBencoded('nothing behind the end')
  return value
}

/**
 * Whether the bytes are one value in which lists and dictionaries stand in each other no more often than in anything that
 * a viewer sends. Strings and numbers are passed over, so it costs little; whatever else there is, some reader may take
 * for something.
 */
export function isShallow (bytes: Buffer): boolean {
  let depth = 0
  let at = 0
  while (at < bytes.length) {
    const byte = bytes[at]!
    if (byte === LIST || byte === DICTIONARY) depth++
    else if (byte === END) depth--
    else if (byte === INTEGER) at = bytes.indexOf(END, at) // its end is not that of a list
    else if (byte >= ZERO && byte <= NINE) {
      const colon = bytes.indexOf(COLON, at)
      const digits = colon - at <= MOST_DIGITS ? bytes.toString('latin1', at, colon) : ''
      if (!/^\d+$/.test(digits)) return false
      at = colon + Number(digits)
    } else return false
    if (depth > MOST_DEPTH || at === -1) return false
    at++
    if (depth <= 0) break
  }
  return depth === 0 && at === bytes.length
}

/** Writes a value; truth values as the numbers that Xpra takes for them. */
export function encode (value: Bencoded | boolean): string {
  if (typeof value === 'string') return `${value.length}:${value}`
  if (Array.isArray(value)) return `l${value.map(encode).join('')}e`
  if (value instanceof Map) return `d${[...value].map(pair => pair.map(encode).join('')).join('')}e`
  return `i${Number(value)}e`
}
