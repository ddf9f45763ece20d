// What sealing costs: a change of state, and a content of 20 MB, each beside the same without a key. In this process: nothing else
// differs between the two. `node_modules/.bin/node test/bench/sealing.ts [rounds]`
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { KEPT_LIMITS } from '#domain/memory/state.ts'
import { KeptState } from '#domain/memory/kept-state.ts'
import { Blobs } from '#domain/storage/blobs.ts'
import { Records } from '#domain/storage/records.ts'
import { UNSEALED } from '#domain/storage/sealer.ts'
import { folderBlobs } from '#stores/folder/blobs.ts'
import { openRecords } from '#stores/sqlite/records.ts'
import { openSealer } from '#system/instance/sealing.ts'
import { TEST_DATA } from '#support/servers/server.ts'

const CHANGES = 200
const MB = 20

/** What is measured, each time without a key first: milliseconds. */
export interface SealingCost { what: string, plain: number[], sealed: number[] }

/** Measures so many rounds, the two ways in turn. */
export async function measureSealing (rounds: number): Promise<SealingCost[]> {
  const folder = mkdtempSync(`${TEST_DATA}/bench-`)
  const store = await openRecords(`${folder}/records.db`)
  const blobs = await folderBlobs(`${folder}/blobs`)
  const costs: SealingCost[] = ['state: a change of 1 KiB', `blob of ${MB} MB: put`, `blob of ${MB} MB: get`].map(what => ({ what, plain: [], sealed: [] }))
  const content = randomBytes(MB * 1_000_000)
  try {
    const sealers = [['plain', UNSEALED], ['sealed', await openSealer(`${folder}/master-keys`, store)]] as const
    for (let round = 0; round <= rounds; round++) {
      for (const [way, sealer] of sealers) {
        const figures = [await changeMany(new Records(store, sealer), `state/${way}`), ...await putAndGet(new Blobs(blobs, sealer), way, content)]
        if (round > 0) figures.forEach((ms, index) => costs[index]![way].push(ms)) // the first round warms up
      }
    }
    return costs
  } finally {
    await Promise.all([store.close(), blobs.close()])
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Milliseconds of one change. */
async function changeMany (records: Records, partition: string): Promise<number> {
  const state = new KeptState(records, KEPT_LIMITS)
  const start = performance.now()
  for (let change = 0; change < CHANGES; change++) {
    const value = JSON.stringify({ change, text: 'x'.repeat(1000), start })
    await state.change(partition, { path: { category: 'bench', key: `v${change % 10}` }, author: { user: 'bench' }, next: () => new Map([[`bench/v${change % 10}`, value]]), check () {} })
  }
  return (performance.now() - start) / CHANGES
}

async function putAndGet (blobs: Blobs, scope: string, content: Buffer): Promise<[put: number, get: number]> {
  const start = performance.now()
  await blobs.put(scope, 'content', content)
  const written = performance.now()
  let bytes = 0
  for await (const piece of (await blobs.get(scope, 'content'))!) bytes += piece.length
  if (bytes !== content.length) throw new Error(`${bytes} bytes were read`)
  const read = performance.now()
  await blobs.drop(scope)
  return [written - start, read - written]
}

/** The lines of the bench's table of comparisons. */
export function sealingLines (costs: SealingCost[]): string[] {
  return costs.map(({ what, plain, sealed }) => {
    const [without, withKey] = [median(plain), median(sealed)]
    return `${what}: ${withKey.toFixed(2)} ms sealed, ${without.toFixed(2)} ms without a key (${(withKey / without).toFixed(2)} ×)`
  })
}

function median (values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

if (import.meta.main) console.log(sealingLines(await measureSealing(Number(process.argv[2] ?? 5))).join('\n'))
