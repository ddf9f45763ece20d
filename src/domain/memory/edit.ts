import { failure } from '#errors.ts'
import { isObject, mergePatch, type Json, type JsonObject } from './merge-patch.ts'
import { CATEGORY, KEPT_LIMITS, KEY, PREFERENCES, TEMPORARY, VALUE_BYTES, type StatePath, type Texts } from './state.ts'

/** One request to change the state. */
export type Edit = { put: Json } | { patch: Json } | 'delete'

const MAX_DEPTH = 100
/** The most names of categories, and of values, in a body. */
const MOST = KEPT_LIMITS.values

/**
 * The values below `path` after the edit, from those before it.
 * @throws {Ex10Error} EX10_BAD_REQUEST, EX10_STATE_NOT_FOUND, EX10_STATE_TOO_LARGE
 */
export function edited ({ category, key }: StatePath, edit: Edit, now: Texts): Texts {
  if (category !== undefined && key !== undefined) return editedValue(`${category}/${key}`, edit, now)
  if (edit === 'delete') return new Map()
  if ('put' in edit) return putAll(valuesOf(edit.put, category))
  return patchAll(valuesOf(edit.patch, category), now)
}

function editedValue (name: string, edit: Edit, now: Texts): Texts {
  if (edit === 'delete') {
    if (!now.has(name)) throw failure('STATE_NOT_FOUND')
    return new Map()
  }
  return new Map([[name, 'put' in edit ? textOf(edit.put) : patched(now.get(name), edit.patch)]])
}

type Values = Map<string, JsonObject | null>

function putAll (values: Values): Texts {
  const next: Texts = new Map()
  for (const [category, members] of values) {
    if (members === null) throw wrong(`${category} is no object: a category holds its values by name`)
    for (const [key, value] of Object.entries(members)) next.set(`${category}/${key}`, textOf(value))
  }
  return next
}

function patchAll (values: Values, now: Texts): Texts {
  const next = new Map(now)
  for (const [category, members] of values) {
    if (members === null) {
      for (const name of now.keys()) if (name.startsWith(`${category}/`)) next.delete(name)
      continue
    }
    for (const [key, patch] of Object.entries(members)) {
      const name = `${category}/${key}`
      if (patch === null) next.delete(name)
      else next.set(name, patched(next.get(name), patch))
    }
  }
  return next
}

/** The members of a body, by category. Null stands for the removal of a category's values. */
function valuesOf (body: Json, category: string | undefined): Values {
  if (!isObject(body)) throw wrong('The body must be an object')
  const values: Values = new Map(category === undefined ? Object.entries(body).map(([name, members]) => [name, membersOf(name, members)]) : [[category, body]])
  if (values.size > MOST || values.values().reduce((sum, members) => sum + Object.keys(members ?? {}).length, 0) > MOST) throw failure('STATE_TOO_LARGE')
  for (const [name, members] of values) {
    if (category === undefined && [PREFERENCES, TEMPORARY].includes(name)) throw wrong(`${name} is not changed together with the others: send it to its own address`)
    if (!CATEGORY.test(name)) throw wrong(`A category's name is a letter and at most 63 more letters, digits, "_" or "-": ${shown(name)}`)
    for (const key of Object.keys(members ?? {})) if (!KEY.test(key)) throw wrong(`A value's name begins with a letter or digit, and has at most 128 letters, digits or "._:@~-": ${shown(key)}`)
  }
  return values
}

function membersOf (name: string, members: Json): JsonObject | null {
  if (members !== null && !isObject(members)) throw wrong(`${shown(name)} is no object: a category holds its values by name`)
  return members
}

function patched (text: string | undefined, patch: Json): string {
  check(patch)
  return textOf(mergePatch(text === undefined ? undefined : JSON.parse(text) as Json, patch))
}

function textOf (value: Json): string {
  check(value)
  const text = JSON.stringify(value)
  if (Buffer.byteLength(text) > VALUE_BYTES) throw failure('STATE_TOO_LARGE')
  return text
}

/** Refuses JSON that would not be given back as it was: it nests too deeply, or has a number that no double holds. */
function check (value: Json): void {
  let level: Json[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw wrong(`A value nests at most ${MAX_DEPTH} deep`)
    if (level.some(item => item === Infinity || item === -Infinity)) throw wrong('A number is too large: send it as text')
    level = level.flatMap(item => typeof item === 'object' && item !== null ? Object.values(item) : [])
  }
}

function wrong (message: string) {
  return failure('BAD_REQUEST', { message })
}

function shown (name: string): string {
  return JSON.stringify(name.slice(0, 50).toWellFormed())
}
