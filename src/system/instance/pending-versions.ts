import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PendingVersion } from '#domain/code/version.ts'
import { readSealed, writeSealed, type SealedFile } from './sealed-file.ts'

type Place = Omit<SealedFile, 'name'>

const NAME = /^version-(\d+)$/
const nameOf = (version: number) => `version-${version}`

/** Writes a version into the session's folder, sealed, where the next server finds it if this one is killed before the stores have it. */
export async function writePending (place: Place, { version, blobs }: PendingVersion): Promise<void> {
  const text = JSON.stringify({ version, blobs: blobs.map(({ id, content }) => [id, content.toString('base64')]) })
  await writeSealed({ ...place, name: nameOf(version.version) }, text)
}

/** The versions that an earlier server left, oldest first. @throws {Ex10Error} EX10_SEAL_BROKEN */
export async function readPending (place: Place): Promise<PendingVersion[]> {
  const numbers = (await readdir(place.dir)).flatMap(name => NAME.exec(name)?.[1] ?? []).map(Number).sort((a, b) => a - b)
  return await Promise.all(numbers.map(async number => {
    const { version, blobs } = JSON.parse(await readSealed({ ...place, name: nameOf(number) }) ?? '') as { version: PendingVersion['version'], blobs: [string, string][] }
    return { version, blobs: blobs.map(([id, content]) => ({ id, content: Buffer.from(content, 'base64') })) }
  }))
}

export async function removePending ({ dir }: Place, version: number): Promise<void> {
  await rm(join(dir, nameOf(version)), { force: true })
}
