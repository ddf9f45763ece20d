import { DataKeys } from './data-keys.ts'
import { openChunks, openValue, sealChunks, sealValue, type Key } from './envelope.ts'
import type { MasterKeys } from './master-keys.ts'
import type { RecordStore } from './record-store.ts'
import type { Sealer } from './sealer.ts'

/** Seals with AES-256-GCM and a data key for each scope (docs/encryption.md). The wrapped data keys are in `store`. */
export function scopeSealer (store: RecordStore, masters: MasterKeys, now?: () => number): Sealer {
  const keys = new DataKeys(store, masters, now)
  const keyOf = (scope: string) => async (id: string): Promise<Key | undefined> => keys.find(scope, id)

  return {
    seal: async (scope, id, plain, version) => sealValue(await keys.current(scope), { scope, id, version }, plain),
    open: async (scope, id, sealed, version) => openValue(keyOf(scope), { scope, id, version }, sealed),
    async * sealStream (scope, id, plain) {
      yield * sealChunks(await keys.current(scope), { scope, id }, plain)
    },
    openStream: (scope, id, sealed) => openChunks(keyOf(scope), { scope, id }, sealed),
    forget: scope => keys.forget(scope),
    scopes: () => keys.scopes(),
    masterKey: () => masters.newest().id
  }
}
