/**
 * Encrypts what outlives a request. `scope` is a session's id, or `user:` and a user's name: each scope has a data key of
 * its own. `id` names the sealed thing within its scope: opened under another id, or in another scope, it is refused.
 */
export interface Sealer {
  seal (scope: string, id: string, plain: Buffer): Promise<Buffer>
  /** @throws {Ex10Error} EX10_SEAL_BROKEN when the bytes were changed, cut off or exchanged, or when their key is not there */
  open (scope: string, id: string, sealed: Buffer): Promise<Buffer>
  /** Seals a content of any length, chunk by chunk. */
  sealStream (scope: string, id: string, plain: AsyncIterable<Uint8Array>): AsyncIterable<Buffer>
  /** Yields only bytes that were authenticated. @throws {Ex10Error} EX10_SEAL_BROKEN, also at the end of a content that was cut off */
  openStream (scope: string, id: string, sealed: AsyncIterable<Uint8Array>): AsyncIterable<Buffer>
  /** Forgets the scope's data key: nothing that was sealed in the scope can be opened again. */
  forget (scope: string): Promise<void>
}

/** Leaves everything as it is, where nothing is to be sealed. */
export const UNSEALED: Sealer = {
  seal: async (_scope, _id, plain) => plain,
  open: async (_scope, _id, sealed) => sealed,
  sealStream: (_scope, _id, plain) => asBuffers(plain),
  openStream: (_scope, _id, sealed) => asBuffers(sealed),
  async forget () {}
}

async function * asBuffers (content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of content) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
}
