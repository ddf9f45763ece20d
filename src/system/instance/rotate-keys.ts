import { rewrap, scopesWithKeys } from '#domain/storage/data-keys.ts'
import { newKey } from '#domain/storage/envelope.ts'
import type { RecordStore } from '#domain/storage/record-store.ts'
import { Ex10Error } from '#errors.ts'
import type { KeyFile } from './key-file.ts'
import { noteKey, openKeys, sealedWith } from './sealing.ts'

/** What a rotation did. `broken` are the scopes whose data key no key in the file opens. */
export interface Rotation { key: string, wrapped: number, broken: string[], isCompleted: boolean }

/**
 * Puts a new master key into the file, wraps all data keys with it, and removes the old one. Completes an earlier rotation that
 * was cut off, instead. Servers may run: each takes up the new key when it meets it. One rotation at a time.
 * @throws {StartRefused} when the file cannot be used, or lacks the key of the store
 */
export async function rotateMasterKey (path: string, store: RecordStore): Promise<Rotation> {
  const file = await openKeys(path, store)
  const isCompleted = await sealedWith(store) !== file.newest().id
  if (!isCompleted) file.write([{ key: newKey(), madeAt: new Date() }, ...file.list()])
  const { wrapped, broken } = await wrapAll(file, store)
  await noteKey(file, store)
  file.write(file.list().slice(0, 1))
  return { key: file.newest().id, wrapped, broken, isCompleted }
}

/** Looks through all data keys until none is left: a server that had not read the file yet may have made some. */
async function wrapAll (file: KeyFile, store: RecordStore): Promise<Pick<Rotation, 'wrapped' | 'broken'>> {
  const broken = new Set<string>()
  let wrapped = 0
  for (let found = -1; found !== wrapped;) {
    found = wrapped
    for (const scope of await scopesWithKeys(store)) {
      try {
        if (await rewrap(store, file, scope)) wrapped++
      } catch (error) {
        if (!(error instanceof Ex10Error) || error.code !== 'EX10_SEAL_BROKEN') throw error
        broken.add(scope)
      }
    }
  }
  return { wrapped, broken: [...broken] }
}
