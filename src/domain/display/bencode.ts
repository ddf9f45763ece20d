/** Bencoding, as Xpra's packets are written: integers, strings of bytes (here a character a byte), lists and dictionaries. */
export type Bencoded = number | string | Bencoded[] | Map<string, Bencoded>

const MOST_DEPTH = 8
const MOST_DIGITS = 15
const [LIST, DICTIONARY, INTEGER, END, COLON, ZERO, NINE] = [...Buffer.from('ldie:09')] as [number, number, number, number, number, number, number]

/** The bytes cannot be read in exactly one way. */
export class NotBencoded extends Error {
  override readonly name = 'NotBencoded'
}

/**
 * Reads bytes that hold exactly one value. It refuses everything that two readers could read differently: numbers with
 * leading signs or zeros, a repeated key, bytes after the end.
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
 * Tells whether the bytes are one value whose lists and dictionaries are nested no deeper than in the packets that viewers
 * send. It skips strings and numbers, so it costs little, and returns false for all other bytes, because some reader may
 * give them a meaning.
 */
export function isShallow (bytes: Buffer): boolean {
  let depth = 0
  let at = 0
  while (at < bytes.length) {
    const byte = bytes[at]!
    if (byte === LIST || byte === DICTIONARY) depth++
    else if (byte === END) depth--
    else if (byte === INTEGER) at = bytes.indexOf(END, at) // skip to the number's own end, which is not the end of a list
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

/** Writes a value; booleans as 0 and 1, which Xpra reads as booleans. */
export function encode (value: Bencoded | boolean): string {
  if (typeof value === 'string') return `${value.length}:${value}`
  if (Array.isArray(value)) return `l${value.map(encode).join('')}e`
  if (value instanceof Map) return `d${[...value].map(pair => pair.map(encode).join('')).join('')}e`
  return `i${Number(value)}e`
}
