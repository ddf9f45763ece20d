import { appendFileSync } from 'node:fs'
import type { Test } from 'tap'

/** Counts what a test has tried, for the generated report: one JSON line in the file that EX10_TALLY names. */
export function tally (t: Test, name: string, count: number, seed?: number): void {
  t.comment(`${count} ${name}${seed === undefined ? '' : `, EX10_TEST_SEED=${seed}`}`)
  const file = process.env.EX10_TALLY
  if (file) appendFileSync(file, JSON.stringify({ name, count, test: t.fullname, ...(seed !== undefined && { seed }) }) + '\n')
}
