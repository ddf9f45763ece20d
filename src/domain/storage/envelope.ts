import { createCipheriv, createDecipheriv, createHash, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto'
import { failure } from '#errors.ts'
import { FORMATS } from './sealer.ts'

// header: format (1 byte), id of the key (8), version or 0 (8), salt (32). Then, of each chunk, ciphertext and tag.
// Each envelope has a key of its own, derived from the key and the salt, so a chunk's number is a nonce that never repeats.

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const ID_BYTES = 8
const SALT_BYTES = 32
const TAG_BYTES = 16
const NONCE_BYTES = 12
const HEADER_BYTES = 1 + ID_BYTES + 8 + SALT_BYTES
/** The plain bytes of each chunk of a stream but the last. */
export const CHUNK_BYTES = 65_536

/** A key of 256 bits. Its id follows from it, so that two keys never have one id. */
export interface Key { readonly id: string, readonly bytes: Buffer, readonly secret: KeyObject }

export function newKey (): Key {
  return keyOf(randomBytes(KEY_BYTES))
}

/** @throws {Error} when these are not 32 bytes */
export function keyOf (bytes: Buffer): Key {
  if (bytes.length !== KEY_BYTES) throw new Error(`a key has ${KEY_BYTES} bytes`)
  return { id: createHash('sha256').update('ex10 key id').update(bytes).digest('hex').slice(0, ID_BYTES * 2), bytes, secret: createSecretKey(bytes) }
}

/** What an envelope is of. All of it is authenticated. */
export interface Label { scope: string, id: string, version?: number | undefined }

/** Finds the key with this id; undefined when it is not there. */
export type FindKey = (id: string) => Promise<Key | undefined>

/** Seals a value in one piece. */
export function sealValue (key: Key, label: Label, plain: Buffer): Buffer {
  const { header, chunks } = begin(FORMATS.value, key, label)
  return Buffer.concat([header, ...chunks.seal(plain, true)])
}

/** @throws {Ex10Error} EX10_SEAL_BROKEN */
export async function openValue (findKey: FindKey, label: Label, sealed: Buffer): Promise<Buffer> {
  const chunks = await resume(FORMATS.value, findKey, label, sealed.subarray(0, HEADER_BYTES))
  return chunks.open(sealed.subarray(HEADER_BYTES), true)
}

/** The id of the key that sealed the value; undefined when it is no envelope. */
export function keyIdOf (sealed: Uint8Array): string | undefined {
  return sealed.length < HEADER_BYTES ? undefined : Buffer.from(sealed.subarray(1, 1 + ID_BYTES)).toString('hex')
}

export async function * sealChunks (key: Key, label: Label, plain: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  const { header, chunks } = begin(FORMATS.stream, key, label)
  yield header
  for await (const { piece, isLast } of cut(plain, CHUNK_BYTES)) yield Buffer.concat(chunks.seal(piece, isLast))
}

/** Yields each chunk when it has been authenticated. @throws {Ex10Error} EX10_SEAL_BROKEN */
export async function * openChunks (findKey: FindKey, label: Label, sealed: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  let chunks: Chunks | undefined
  for await (const { piece, isLast } of cut(sealed, CHUNK_BYTES + TAG_BYTES, HEADER_BYTES)) {
    if (chunks) yield chunks.open(piece, isLast)
    else chunks = await resume(FORMATS.stream, findKey, label, isLast ? Buffer.alloc(0) : piece)
  }
}

function begin (format: number, key: Key, { scope, id, version = 0 }: Label): { header: Buffer, chunks: Chunks } {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt8(format)
  header.write(key.id, 1, 'hex')
  header.writeBigUInt64BE(BigInt(version), 1 + ID_BYTES)
  randomBytes(SALT_BYTES).copy(header, HEADER_BYTES - SALT_BYTES)
  return { header, chunks: new Chunks(key, header, scope, id) }
}

async function resume (format: number, findKey: FindKey, { scope, id, version }: Label, header: Buffer): Promise<Chunks> {
  if (header.length < HEADER_BYTES || header[0] !== format) throw failure('SEAL_BROKEN')
  const sealedAs = header.readBigUInt64BE(1 + ID_BYTES)
  if (version !== undefined && sealedAs !== 0n && sealedAs !== BigInt(version)) throw failure('SEAL_BROKEN')
  const key = await findKey(keyIdOf(header)!)
  if (!key) throw failure('SEAL_BROKEN')
  return new Chunks(key, header, scope, id)
}

/** The chunks of one envelope, in their order. */
class Chunks {
  readonly #key: Uint8Array
  readonly #context: Buffer
  #number = 0

  constructor (key: Key, header: Buffer, scope: string, id: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', key.secret, header.subarray(-SALT_BYTES), 'ex10 envelope', KEY_BYTES))
    this.#context = Buffer.concat([header, withLength(scope), withLength(id), Buffer.alloc(NONCE_BYTES)])
  }

  seal (plain: Uint8Array, isLast: boolean): Buffer[] {
    const cipher = createCipheriv(CIPHER, this.#key, this.#next(isLast)).setAAD(this.#context)
    return [cipher.update(plain), cipher.final(), cipher.getAuthTag()]
  }

  open (sealed: Buffer, isLast: boolean): Buffer {
    if (sealed.length < TAG_BYTES) throw failure('SEAL_BROKEN')
    const decipher = createDecipheriv(CIPHER, this.#key, this.#next(isLast), { authTagLength: TAG_BYTES }).setAAD(this.#context).setAuthTag(sealed.subarray(-TAG_BYTES))
    const plain = decipher.update(sealed.subarray(0, -TAG_BYTES))
    try {
      decipher.final()
    } catch (cause) {
      throw failure('SEAL_BROKEN', { cause })
    }
    return plain
  }

  /** The nonce of the next chunk, which is the end of its associated data: its number, and whether it is the last. */
  #next (isLast: boolean): Buffer {
    const nonce = this.#context.subarray(-NONCE_BYTES)
    nonce.writeUInt32BE(this.#number++, 7) // throws beyond 2^32 chunks, which are 256 TiB
    nonce.writeUInt8(Number(isLast), 11)
    return nonce
  }
}

/** The text behind its length, so that two texts cannot be cut in two ways. */
function withLength (text: string): Buffer {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(text))
  bytes.writeUInt32BE(bytes.length - 4)
  bytes.write(text, 4)
  return bytes
}

/** Cuts the content into pieces of `size` bytes, the first of `first`. The last may be shorter, and is there for an empty content, too. */
async function * cut (content: AsyncIterable<Uint8Array>, size: number, first = size): AsyncGenerator<{ piece: Buffer, isLast: boolean }, void, undefined> {
  let waiting: Uint8Array[] = []
  let length = 0
  let wanted = first
  for await (const bytes of content) {
    waiting.push(bytes)
    length += bytes.length
    if (length <= wanted) continue // it may be the last
    const all = Buffer.concat(waiting)
    let at = 0
    for (; all.length - at > wanted; wanted = size) yield { piece: all.subarray(at, at += wanted), isLast: false }
    waiting = [all.subarray(at)]
    length = all.length - at
  }
  yield { piece: Buffer.concat(waiting), isLast: true }
}
