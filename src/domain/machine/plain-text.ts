import { stripVTControlCharacters } from 'node:util'

/** C0 except tab and line feed, DEL, C1, and characters that reorder or break lines of text. None of them is a letter. */
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** Text of a session made safe to show and log: without terminal escapes and control characters, in at most `maxBytes` of UTF-8. */
export function plainText (text: string, maxBytes: number): string {
  const plain = stripVTControlCharacters(text).replace(CONTROLS, '').toWellFormed()
  if (Buffer.byteLength(plain) <= maxBytes) return plain
  return new TextDecoder().decode(Buffer.from(plain).subarray(0, maxBytes), { stream: true }) // drops a letter that was cut in two
}
