import { Readable } from 'node:stream'
import type { BlobStore } from './blob-store.ts'
import type { Sealer } from './sealer.ts'

/** Blobs in a `BlobStore`, sealed with the data key of their scope. The methods are those of `BlobStore`, with its promises; sizes are those of the sealed blobs. */
export class Blobs {
  readonly #store: BlobStore
  readonly #sealer: Sealer

  constructor (store: BlobStore, sealer: Sealer) {
    this.#store = store
    this.#sealer = sealer
  }

  put (scope: string, id: string, content: AsyncIterable<Uint8Array> | Uint8Array, signal?: AbortSignal): Promise<number> {
    const pieces = content instanceof Uint8Array ? onePiece(content) : content
    return this.#store.put(scope, id, this.#sealer.sealStream(scope, id, pieces), signal)
  }

  /** As `BlobStore.get`; the content ends with EX10_SEAL_BROKEN when it is not what was put. */
  async get (scope: string, id: string): Promise<Readable | undefined> {
    const sealed = await this.#store.get(scope, id)
    return sealed && Readable.from(this.#sealer.openStream(scope, id, sealed), { objectMode: false })
  }

  list (scope: string): Promise<{ id: string, bytes: number }[]> {
    return this.#store.list(scope)
  }

  delete (scope: string, id: string): Promise<void> {
    return this.#store.delete(scope, id)
  }

  drop (scope: string): Promise<void> {
    return this.#store.drop(scope)
  }

  scopes (): Promise<string[]> {
    return this.#store.scopes()
  }
}

async function * onePiece (content: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield content
}
