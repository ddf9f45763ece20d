import { failure } from '#errors.ts'

/** One tag of a list: weak ones begin with W/. */
const TAG = /^\s*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)/

/** The tag of content with this hash: the same tag, the same bytes. */
export function tagOf (hash: string): string {
  return `"${hash}"`
}

/**
 * What an If-Match or If-None-Match header names: any file, or these hashes. Weak tags name no bytes, so they count only
 * where it is enough that a copy is as good.
 * @throws {Ex10Error} EX10_BAD_REQUEST
 */
export function hashesOf (header: string | undefined, countsWeak = false): '*' | string[] | undefined {
  if (header === undefined) return undefined
  if (header.trim() === '*') return '*'
  const hashes: string[] = []
  for (let rest = header; rest.trim() !== '';) {
    const [all = '', weak, hash = ''] = TAG.exec(rest) ?? []
    if (all === '') throw failure('BAD_REQUEST', { message: 'If-Match and If-None-Match name files by their ETag, in double quotes, or any by *' })
    if (weak === undefined || countsWeak) hashes.push(hash)
    rest = rest.slice(all.length)
  }
  return hashes
}
