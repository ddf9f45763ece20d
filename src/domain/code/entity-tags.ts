import { failure } from '#errors.ts'

/** One tag of a list: weak ones begin with W/. */
const TAG = /^\s*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)/

/** The tag of content with this hash: equal tags mean equal bytes. */
export function tagOf (hash: string): string {
  return `"${hash}"`
}

/**
 * The value of an If-Match or If-None-Match header: any file (`*`), or these hashes. Weak tags do not promise equal bytes,
 * so they count only with `countsWeak`, where an equivalent copy is enough.
 * @throws {Ex10Error} EX10_BAD_REQUEST
 */
export function hashesOf (header: string | undefined, countsWeak = false): '*' | string[] | undefined {
  if (header === undefined) return undefined
  if (header.trim() === '*') return '*'
  const hashes: string[] = []
  for (let rest = header; rest.trim() !== '';) {
    const [all = '', weak, hash = ''] = TAG.exec(rest) ?? []
    if (all === '') throw failure('BAD_REQUEST', { message: 'If-Match and If-None-Match hold ETags in double quotes, or * for any file' })
    if (weak === undefined || countsWeak) hashes.push(hash)
    rest = rest.slice(all.length)
  }
  return hashes
}
