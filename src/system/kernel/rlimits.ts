import { readFile } from 'node:fs/promises'

/** `wanted`, or this process's own hard limit where that is less; `limit` is its name in /proc/self/limits. */
export async function upTo (wanted: number, limit: string): Promise<number> {
  const hard = new RegExp(`^${limit}\\s+\\S+\\s+(\\d+)`, 'm').exec(await readFile('/proc/self/limits', 'utf8'))?.[1]
  return Math.min(wanted, Number(hard ?? Infinity)) // "unlimited" is no number
}
