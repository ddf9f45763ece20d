// What the tests have counted: JSON lines in the file that EX10_TALLY names (test/support/tally.ts).
import { existsSync, readFileSync } from 'node:fs'

/** The lines of a tally file. A test writes a line when it has passed what it counts. */
export function readTally (file) {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line)) : []
}

/** Adds up the counts by name, and collects the seeds. */
export function sumTally (lines) {
  const sums = new Map()
  for (const { name, count, seed } of lines.filter(line => 'count' in line)) {
    const sum = sums.get(name) ?? { count: 0, seeds: [] }
    sum.count += count
    if (seed !== undefined && !sum.seeds.includes(seed)) sum.seeds.push(seed)
    sums.set(name, sum)
  }
  return sums
}
