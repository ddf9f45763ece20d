import { failure } from '#errors.ts'

/**
 * Encrypts what outlives a request. `scope` is a session's id, or `user:` and a user's name: each scope has a data key of
 * its own. `id` names the sealed thing within its scope: opened under another id, or in another scope, it is refused.
 */
export interface Sealer {
  /** With a `version`, a number from 1, the sealed value opens only as that version: an older one in its place is refused. */
  seal (scope: string, id: string, plain: Buffer, version?: number): Promise<Buffer>
  /** @throws {Ex10Error} EX10_SEAL_BROKEN when the bytes were changed, cut off or exchanged, or when their key is not there */
  open (scope: string, id: string, sealed: Buffer, version?: number): Promise<Buffer>
  /** Seals a content of any length, chunk by chunk. */
  sealStream (scope: string, id: string, plain: AsyncIterable<Uint8Array>): AsyncIterable<Buffer>
  /** Yields only bytes that were authenticated. @throws {Ex10Error} EX10_SEAL_BROKEN, also at the end of a content that was cut off */
  openStream (scope: string, id: string, sealed: AsyncIterable<Uint8Array>): AsyncIterable<Buffer>
  /** Forgets the scope's data key: nothing that was sealed in the scope can be opened again. */
  forget (scope: string): Promise<void>
  /** All scopes that have a data key. It may look through all of the store: for audits and commands. */
  scopes (): Promise<string[]>
  /** The id of the master key that wraps new data keys; undefined when nothing is sealed. */
  masterKey (): string | undefined
}

/** Leaves everything as it is, where nothing is to be sealed. What an earlier server sealed is refused. */
export const UNSEALED: Sealer = {
  seal: async (_scope, _id, plain) => plain,
  async open (_scope, _id, sealed) {
    if (sealed[0] === FORMATS.value) throw failure('SEAL_BROKEN')
    return sealed
  },
  sealStream: (_scope, _id, plain) => asBuffers(plain),
  openStream: (_scope, _id, sealed) => asBuffers(sealed),
  async forget () {},
  scopes: async () => [],
  masterKey: () => undefined
}

/** The first byte of what is sealed. No JSON text begins with one of them. */
export const FORMATS = { value: 1, stream: 2 } as const

async function * asBuffers (content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of content) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
}
