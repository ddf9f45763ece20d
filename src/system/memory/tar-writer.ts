import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, createZstdCompress, constants } from 'node:zlib'
import { Header, Pax } from 'tar'

/** One file of a tar. Its content has exactly this many bytes. */
export interface TarFile { path: string, size: number, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array> }

export const COMPRESSIONS = {
  gzip: () => createGzip(),
  zstd: () => createZstdCompress(),
  /** For a reader that wants gzip, and is near. */
  none: () => createGzip({ level: constants.Z_NO_COMPRESSION })
}

const BLOCK = 512

/** The files as a compressed tar. Errors of the files end it. */
export function compressedTar (files: AsyncIterable<TarFile>, compression: keyof typeof COMPRESSIONS): Readable {
  const out = COMPRESSIONS[compression]()
  pipeline(Readable.from(tarOf(files), { objectMode: false }), out).catch(error => out.destroy(error as Error))
  return out
}

async function * tarOf (files: AsyncIterable<TarFile>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { path, size, content } of files) {
    const header = new Header({ path, size, type: 'File', mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 })
    header.encode()
    if (header.needPax) yield new Pax({ path, size }).encode()
    yield header.block!
    let left = size
    for await (const piece of content) {
      left -= piece.length
      yield piece
    }
    if (left !== 0) throw new Error(`a file of ${size} bytes has ${size - left}`)
    yield Buffer.alloc((BLOCK - size % BLOCK) % BLOCK)
  }
  yield Buffer.alloc(2 * BLOCK)
}
