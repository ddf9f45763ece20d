import { readFile } from 'node:fs/promises'

/** The lesser of `wanted` and this process's own hard limit; `limit` is the limit's name in /proc/self/limits. */
export async function upTo (wanted: number, limit: string): Promise<number> {
  const hard = new RegExp(`^${limit}\\s+\\S+\\s+(\\d+)`, 'm').exec(await readFile('/proc/self/limits', 'utf8'))?.[1]
  return Math.min(wanted, Number(hard ?? Infinity)) // "unlimited" does not match
}
