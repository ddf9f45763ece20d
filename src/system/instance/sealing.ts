import { keyIdOf, sealValue } from '#domain/storage/envelope.ts'
import { masterOfAny } from '#domain/storage/data-keys.ts'
import type { RecordStore } from '#domain/storage/record-store.ts'
import { scopeSealer } from '#domain/storage/scope-sealer.ts'
import { UNSEALED, type Sealer } from '#domain/storage/sealer.ts'
import { StartRefused } from '#errors.ts'
import { keyFileAt, makeKeyFile, type KeyFile } from './key-file.ts'

/** A value that is sealed with the master key itself: it shows which key the store is sealed with, before anything is opened. */
const CHECK = { partition: 'sealing/master', key: 'check', label: { scope: 'sealing', id: 'check' } } as const
const TEXT = 'ex10'

/** The sealer of an instance whose records are in `store`; `keyFile` is a path, or `none`. @throws {StartRefused} when the store was sealed with a key that is not there */
export async function openSealer (keyFile: string, store: RecordStore): Promise<Sealer> {
  if (keyFile !== 'none') return scopeSealer(store, await openKeys(keyFile, store))
  const wanted = await sealedWith(store)
  if (wanted !== undefined) throw new StartRefused(`EX10_KEY_FILE=none cannot be used: what is in the store is sealed with the key ${wanted}; give the file that holds that key`)
  return UNSEALED
}

/**
 * The master keys in the file. A missing file is made, unless the store was sealed with a key already.
 * @throws {StartRefused} when the file lacks the key that the store was sealed with; then nothing has changed
 */
export async function openKeys (path: string, store: RecordStore): Promise<KeyFile> {
  const wanted = await sealedWith(store)
  if (wanted === undefined) {
    const file = keyFileAt(path) ?? makeKeyFile(path)
    return await noteKey(file, store, 0) ? file : await openKeys(path, store)
  }
  const toDo = 'put back the file that holds it, or see "A lost key" in docs/encryption.md'
  const file = keyFileAt(path)
  if (!file) throw new StartRefused(`the key file ${path} is missing, and what is in the store is sealed with the key ${wanted}: ${toDo}`)
  if (!file.find(wanted)) throw new StartRefused(`the key file ${path} does not hold the key ${wanted}, with which what is in the store is sealed: ${toDo}`)
  return file
}

/** The id of the master key that the store is sealed with; undefined when nothing is sealed. */
export async function sealedWith (store: RecordStore): Promise<string | undefined> {
  const check = await store.get(CHECK.partition, CHECK.key)
  return check ? keyIdOf(check.value) : await masterOfAny(store)
}

/** Notes in the store that it is sealed with the newest key from now on. Returns false when another process was first. */
export async function noteKey (file: KeyFile, store: RecordStore, ifRevision?: number): Promise<boolean> {
  return await store.write(CHECK.partition, [{ key: CHECK.key, value: sealValue(file.newest(), CHECK.label, Buffer.from(TEXT)), ifRevision }])
}

/** Forgets which key the store is sealed with: the next start may make a new one. */
export async function forgetKey (store: RecordStore): Promise<void> {
  await store.drop(CHECK.partition)
}
