// The counts of the tests: JSON lines in the file that EX10_TALLY names (test/support/servers/tally.ts).
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** The lines of a tally file. A test writes a line for its count when it has passed, and bin/test.mjs writes one for each file. */
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

/** The checked-out commit, with a note when the files differ from it. */
export function commit () {
  const hash = git('rev-parse', '--short=12', 'HEAD') || 'unknown'
  return git('status', '--porcelain', '--', '.', ':!docs/reliability.md') ? `${hash} with changes` : hash
}

function git (...argv) {
  return spawnSync('git', argv, { encoding: 'utf8' }).stdout?.trim() || ''
}
