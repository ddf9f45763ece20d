import type { Random } from './random.ts'

/** Values that programs trip over. */
const ODD: unknown[] = [
  null, true, false, 0, -1, 1, 0.5, 1e308, -1e308, 2 ** 31, 2 ** 53, '', ' ', '0', 'null', '\0', '\ud800', '\udc00x', '\u202e', '\u2028', '\ufeff', '../x', '/etc/passwd', '%2e%2e/x', 'a'.repeat(300), 'é'.repeat(70),
  'a/'.repeat(40), '__proto__', 'constructor', '$ref', '{}', '{{7*7}}', '<img src=x>', "'; drop table sessions; --", '\r\nX: y', [], {}, [[]], [{}], [null], { a: { a: { a: {} } } }, { toString: 1 }, { length: 1e9 }, Array(40).fill(0)
]
const KEYS = ['sessionId', 'filePath', 'content', 'code', 'file_path', 'file_content', 'file_finished', 'files', 'encoding', 'delete', 'template', 'width', 'height', 'mode', '', ' ', 'length', 'toString', 'hasOwnProperty', 'Width', 'width\0', 'wıdth']

/** A body somewhat like this one, as text: some are valid JSON, some valid requests. */
export function mutateBody (random: Random, value: unknown): string | Buffer {
  let mutated = value
  for (let i = random.below(3); i >= 0; i--) mutated = mutateValue(random, mutated, 3)
  const text = JSON.stringify(mutated) ?? ''
  return random.chance(0.3) ? mutateText(random, text) : text
}

/** Changes something at a random depth. */
function mutateValue (random: Random, value: unknown, depth: number): unknown {
  if (depth === 0 || typeof value !== 'object' || value === null || random.chance(0.1)) return mutateLeaf(random, value)
  if (Array.isArray(value)) return mutateList(random, value, depth)
  const entries = Object.entries(value)
  const at = random.below(entries.length + 1)
  const key = random.pick(KEYS)
  if (at === entries.length || random.chance(0.15)) entries.push([key, random.pick(ODD)])
  else if (random.chance(0.2)) entries.splice(at, 1)
  else if (random.chance(0.15)) entries[at] = [key, entries[at]![1]]
  else entries[at] = [entries[at]![0], mutateValue(random, entries[at]![1], depth - 1)]
  return Object.fromEntries(entries)
}

function mutateList (random: Random, list: unknown[], depth: number): unknown[] {
  const at = random.below(list.length + 1)
  if (at === list.length) return [...list, random.pick([...ODD, ...list])]
  if (random.chance(0.2)) return list.toSpliced(at, 1)
  if (random.chance(0.2)) return list.toSpliced(at, 0, structuredClone(list[at]))
  return list.with(at, mutateValue(random, list[at], depth - 1))
}

function mutateLeaf (random: Random, value: unknown): unknown {
  if (typeof value === 'string' && random.chance(0.4)) {
    const at = random.below(value.length + 1)
    return value.slice(0, at) + random.pick(['', '\0', '/', '..', '\\', '%00', '\ud83d', 'é', '.', ' ']) + value.slice(at + random.below(2))
  }
  if (typeof value === 'number' && random.chance(0.4)) return value + random.pick([1, -1, 0.5, 1e10, -value])
  return random.pick(ODD)
}

const PIECES = ['"', '{', '}', '[', ']', ',', ':', '\\', '\\u', '\\ud800', '/*x*/', '//', '0', '-', '1e999', '01', 'NaN', 'Infinity', 'undefined', 'true', '\0', '\n', '\t', '\u00a0', '\ufeff', '"__proto__":{},', '"constructor":{"prototype":{}},', '"width":1,"width":2,']

/** Changes the text itself: mostly it is no JSON any more. */
function mutateText (random: Random, text: string): string | Buffer {
  const at = random.below(text.length + 1)
  const piece = random.pick(PIECES)
  switch (random.below(7)) {
    case 0: return text.slice(0, at)
    case 1: return text.slice(at)
    case 2: return text.slice(0, at) + piece + text.slice(at)
    case 3: return text.slice(0, at) + piece + text.slice(at + 1)
    case 4: return text + random.pick([text, piece, ' ', '\n'])
    case 5: return random.pick(['[', '{"a":', '[{"files":']).repeat(random.below(5000))
    default: {
      const bytes = Buffer.from(text)
      if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256)
      return bytes
    }
  }
}

const QUERY_PIECES = ['&', '=', '%', '%00', '%ff', '%ud800', '%E0%A4%A', '+', ';', '[]', '[a]', '.', '-', '0', '9'.repeat(30), 'e9', '&width=1', '&template=', '&__proto__=x', '&constructor[prototype]=x', '&source=../events', '%26', '%3D', '?', "'"]

/** A query somewhat like this one. */
export function mutateQuery (random: Random, query: string): string {
  let text = query
  for (let i = random.below(3); i >= 0; i--) {
    const at = random.below(text.length + 1)
    text = text.slice(0, at) + (random.chance(0.3) ? '' : random.pick(QUERY_PIECES)) + text.slice(at + random.below(4))
  }
  return text.replaceAll('#', '')
}
