import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { PROFILE_DIR } from '#domain/programs/display.ts'
import type { Enter } from '#system/sandbox/enter.ts'
import { receiveArchive } from '#system/code/file-transfer.ts'
import { FileWriter } from '#system/code/file-writer.ts'
import { programText, pythonArgv } from '#system/code/session-program.ts'
import { keepUpload, type Upload } from '#system/code/upload.ts'

/** A packed profile, which must be released. Equal profiles have equal hashes. */
export interface PackedProfile extends Upload { hash: string }

const PROGRAM = programText('file-paths.py', '../memory/profile-pack.py')
const MIB = 1024 * 1024
/** The most bytes of the files, of the tar with their heads, and of the tar.gz. */
const [FILES_BYTES, TAR_BYTES, PACKED_BYTES] = [128 * MIB, 160 * MIB, 64 * MIB]
const FILES = 10_000
/** A tar.gz that unpacks to more times its size would be refused when it comes back (archive-reader.py). */
const [RATIO, RATIO_FROM] = [90, MIB]
/** The browser stands still for a part of this time; the supervision of programs knows of it. */
const PACK_SECONDS = 3
const PACK_MS = 4000
const GRACE_MS = 500
const GO_ON_MS = 3000
/** The exit code of profile-pack.py. */
const TOO_LARGE = 3

class Exceeded extends Error {}

/**
 * Packs the profile of the session's browser into a file without a name in `folder`. The browser stands still while its files
 * are read, and goes on afterwards, whatever happens.
 * @throws {Error} when the profile cannot be read; the signal's reason
 */
export async function packProfile (enter: Enter, folder: string, signal: AbortSignal): Promise<PackedProfile | 'too-large'> {
  const request = { do: 'pack', profile: PROFILE_DIR, bytes: FILES_BYTES, files: FILES, seconds: PACK_SECONDS }
  const program = await enter(pythonArgv(PROGRAM, JSON.stringify(request)), { signal, timeoutMs: PACK_MS, graceMs: GRACE_MS })
  const sizes = { tar: 0, packed: 0 }
  const hash = createHash('sha256')
  let packed: Upload | undefined
  let exitCode: number | null = null
  try {
    const tar = counted(program.stdout, TAR_BYTES, bytes => { sizes.tar = bytes })
    const content = counted(gzipped(tar), PACKED_BYTES, bytes => { sizes.packed = bytes })
    packed = await keepUpload(folder, hashed(content, hash))
    exitCode = (await program.ended).exitCode
  } catch (error) {
    if (!(error instanceof Exceeded)) throw error
  } finally {
    await program.end(GRACE_MS)
    if (exitCode === null || ![0, TOO_LARGE].includes(exitCode)) await goOn(enter)
    if (exitCode !== 0) await packed?.release()
  }
  if (!packed || exitCode === TOO_LARGE) return 'too-large'
  if (exitCode !== 0) throw new Error(`the profile could not be read: exit code ${exitCode}`)
  if (sizes.tar <= Math.max(RATIO_FROM, RATIO * sizes.packed)) return { ...packed, hash: hash.digest('hex') }
  await packed.release()
  return 'too-large'
}

/** Puts a packed profile into a session whose browser has not started yet: all of it, or none. @throws {Ex10Error} as `receiveArchive` and `FileWriter.push` */
export async function unpackProfile (enter: Enter, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  const writer = new FileWriter(enter)
  try {
    await receiveArchive(enter, content, signal, ({ transfer, changes }) => writer.push(PROFILE_DIR, changes, { transfer }), true)
  } finally {
    writer.stop()
  }
}

/** Lets all processes of the session go on, after a pack that may have been killed while they stood still. */
async function goOn (enter: Enter): Promise<void> {
  try {
    const program = await enter(pythonArgv(PROGRAM, '{"do":"go-on"}'), { timeoutMs: GO_ON_MS })
    await program.ended
  } catch {} // the sandbox is gone; else the supervision starts the browser again
}

function gzipped (content: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  const gzip = createGzip({ level: 1 }) // the browser waits
  pipeline(Readable.from(content, { objectMode: false }), gzip).catch(error => gzip.destroy(error as Error))
  return gzip
}

async function * counted (content: AsyncIterable<Uint8Array>, most: number, count: (bytes: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0
  for await (const piece of content) {
    bytes += piece.length
    if (bytes > most) throw new Exceeded('the profile is too large')
    count(bytes)
    yield piece
  }
}

async function * hashed (content: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of content) {
    hash.update(piece)
    yield piece
  }
}
