/** What a session's state is made of. Nothing here touches a store. */

/** Categories with a meaning of their own; others may have any name that fits `CATEGORY`. */
export const CATEGORIES = ['user_data', 'analysis_data', 'ui_state', 'preferences', 'temporary_data'] as const

/** The user's own category, which all sessions of the user share. */
export const PREFERENCES = 'preferences'

/** The category that is kept in memory only. */
export const TEMPORARY = 'temporary_data'

/** The names of categories. `versions` and `restore` are addresses beside them. */
export const CATEGORY = /^(?!(?:versions|restore)$)[A-Za-z][A-Za-z0-9_-]{0,63}$/

/** The names of values. */
export const KEY = /^[A-Za-z0-9][A-Za-z0-9._:@~-]{0,127}$/

/** The place in the state that a request is about: all of it, a category, or one value. */
export interface StatePath { category?: string | undefined, key?: string | undefined }

/** The JSON texts of values, by `category/key`. */
export type Texts = Map<string, string>

/** The user that changed the state, and the kind of credential. */
export interface Author { user: string, credential?: string }

/** What bounds a state: the bytes of its values with their names, the number of values, the number of its last versions that are kept. */
export interface StateLimits { bytes: number, values: number, versions: number }

const MIB = 1024 * 1024
export const VALUE_BYTES = MIB / 4
/** Of a session's state, and of a user's preferences. */
export const KEPT_LIMITS: StateLimits = { bytes: 4 * MIB, values: 1000, versions: 100 }
export const TEMPORARY_LIMITS: StateLimits = { bytes: MIB, values: 1000, versions: 0 }
/** Holds 100 versions of the largest value. */
export const HISTORY_BYTES = 32 * MIB

/** One change of a value, as the list of versions shows it. */
export interface ValueChange { category: string, key: string, action: 'added' | 'changed' | 'deleted' }

/** A version of the state: the changes of one request. */
export interface StateVersion {
  version: number
  at: string
  by: Author
  /** The version that this one went back to. */
  restored?: number
  changes: ValueChange[]
}

/** The tag of an address of the state without values. */
export const EMPTY_TAG = '0'

/** What an address of the state holds: its ETag, and whether there is any value. A missing value has no tag. */
export interface Standing { tag: string | undefined, exists: boolean }

/** The condition of a change: one, or none, of these tags; `*` stands for any value. */
export interface StateConditions { ifMatch?: '*' | string[], ifNoneMatch?: '*' | string[] }

export function meets ({ tag, exists }: Standing, { ifMatch, ifNoneMatch }: StateConditions): boolean {
  const has = (tags: '*' | string[]) => tags === '*' ? exists : tag !== undefined && tags.includes(tag)
  return (ifMatch === undefined || has(ifMatch)) && (ifNoneMatch === undefined || !has(ifNoneMatch))
}

/** The two parts of a name in `Texts`. */
export function partsOf (name: string): { category: string, key: string } {
  const slash = name.indexOf('/')
  return { category: name.slice(0, slash), key: name.slice(slash + 1) }
}

/** The values as one JSON text: by category and key. With a category, that one alone. */
export function jsonOf (texts: Texts, category?: string): string {
  const byCategory = new Map<string, string[]>(category === undefined ? CATEGORIES.map(name => [name, []]) : [[category, []]])
  for (const [name, text] of texts) {
    const { category, key } = partsOf(name)
    const members = byCategory.get(category) ?? []
    byCategory.set(category, members)
    members.push(`${JSON.stringify(key)}:${text}`)
  }
  const objects = [...byCategory].map(([name, members]) => [name, `{${members.join()}}`] as const)
  return category === undefined ? `{${objects.map(([name, object]) => `${JSON.stringify(name)}:${object}`).join()}}` : objects[0]![1]
}
