import { createHash } from 'node:crypto'
import { stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { create, list, type ReadEntry } from 'tar'
import { ifGone } from '#system/kernel/gone.ts'
import type { DataFolder } from './data-folder.ts'

/** The file cannot be used as a backup, or no backup can be made: the message is for the operator. */
export class BackupRefused extends Error {
  override readonly name = 'BackupRefused'
}

/** The stores in a backup. Keys come before the audit log, which thus tells of all of them. */
export const KEPT = ['keys', 'auditLog', 'statistics', 'records'] as const

/** The blobs in a backup, in one tar file. They are packed after the records, so that none is missing that a record names. */
export const BLOBS = 'blobs.tar'

/** The first file of a backup. A later format has another number. */
const MANIFEST = 'manifest.json'
const FORMAT = 1
const MANIFEST_BYTES = 16_384

const Manifest = Type.Object({
  format: Type.Literal(FORMAT),
  version: Type.String({ maxLength: 100, pattern: '^[\\w.+-]+$' }),
  madeAt: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T[\\d:.]+Z$', maxLength: 40 }),
  store: Type.String({ maxLength: 100 }),
  files: Type.Record(Type.String(), Type.Object({ bytes: Type.Integer({ minimum: 0 }), sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }) }, { additionalProperties: false }))
}, { additionalProperties: false })

/** What a backup says about itself: the version that made it, and size and checksum of each of its files. */
export type Manifest = Static<typeof Manifest>

/** The names of the files that a backup may hold. */
export function keptNames (folder: DataFolder): string[] {
  return [...KEPT.map(store => basename(folder[store])), BLOBS, basename(folder.masterKeys)]
}

/** The names of those that are sealed, and of their key. */
export function sealedNames (folder: DataFolder): string[] {
  return [basename(folder.records), BLOBS, basename(folder.masterKeys)]
}

export function newManifest (about: Pick<Manifest, 'version' | 'store' | 'files'>): Manifest {
  return { format: FORMAT, madeAt: new Date().toISOString(), ...about }
}

/** Writes a compressed tar file with the manifest and its files, which are in the folder `from`. */
export async function pack (file: string, from: string, manifest: Manifest): Promise<void> {
  await writeFile(join(from, MANIFEST), JSON.stringify(manifest, null, 2) + '\n')
  await create({ file, cwd: from, gzip: true, portable: true, strict: true }, [MANIFEST, ...Object.keys(manifest.files)])
}

/** Takes the content of one file of a backup, piece by piece. */
export type Take = (name: string, bytes: Buffer) => void

/**
 * Reads a whole backup, and compares each file with its size and checksum in the manifest; `take` gets the content of each.
 * @throws {BackupRefused} when the file is damaged, or holds anything but a manifest and its files, of these names
 */
export async function readBackup (file: string, names: readonly string[], take: Take = () => {}): Promise<Manifest> {
  if (!(await stat(file).catch(ifGone()))?.isFile()) throw new BackupRefused(`there is no file ${file}`)
  const reading = new Reading(names, take)
  try {
    await list({ file, strict: true, onReadEntry: entry => reading.read(entry) })
  } catch (cause) {
    throw reading.refusal ?? new BackupRefused(`${file} is damaged, or no backup: ${(cause as Error).message}`, { cause })
  }
  if (reading.refusal) throw reading.refusal
  return reading.end(file)
}

/** The state of one reading. The first refusal counts: what follows is not looked at. */
class Reading {
  refusal: Error | undefined
  #manifest: Manifest | undefined
  #left = new Set<string>()
  readonly #names: readonly string[]
  readonly #take: Take

  constructor (names: readonly string[], take: Take) {
    this.#names = names
    this.#take = take
  }

  read (entry: ReadEntry): void {
    try {
      if (this.refusal) return
      if (this.#manifest) this.#readFile(entry)
      else this.#readManifest(entry)
    } catch (error) {
      this.refusal = error as Error
    }
  }

  #readManifest (entry: ReadEntry): void {
    if (entry.path !== MANIFEST || entry.type !== 'File' || entry.size > MANIFEST_BYTES) throw new BackupRefused(`this is no backup: its first file is not ${MANIFEST}`)
    let text = ''
    entry.on('data', chunk => { text += chunk.toString() })
    this.#atEnd(entry, () => {
      this.#manifest = manifestIn(text, this.#names)
      this.#left = new Set(Object.keys(this.#manifest.files))
    })
  }

  #readFile (entry: ReadEntry): void {
    const name = entry.path
    const promised = this.#manifest!.files[name]
    if (!this.#left.delete(name) || !promised || entry.type !== 'File') throw new BackupRefused(`the backup holds a ${entry.type} ${JSON.stringify(name)}, which does not belong there`)
    if (entry.size !== promised.bytes) throw new BackupRefused(`${name} in the backup has another size than its manifest says`)
    const hash = createHash('sha256')
    entry.on('data', chunk => {
      if (this.refusal) return
      try {
        hash.update(chunk)
        this.#take(name, chunk)
      } catch (error) {
        this.refusal = error as Error
      }
    })
    this.#atEnd(entry, () => {
      if (hash.digest('hex') !== promised.sha256) throw new BackupRefused(`${name} in the backup is damaged: its checksum is another one`)
    })
  }

  #atEnd (entry: ReadEntry, check: () => void): void {
    entry.on('end', () => {
      try {
        check()
      } catch (error) {
        this.refusal ??= error as Error
      }
    })
  }

  end (file: string): Manifest {
    const [missing] = this.#left
    if (!this.#manifest || missing) throw new BackupRefused(`${file} is damaged, or no backup: ${missing ?? MANIFEST} is missing`)
    return this.#manifest
  }
}

function manifestIn (text: string, names: readonly string[]): Manifest {
  const manifest = parse(text)
  if (typeof manifest === 'object' && manifest !== null && 'format' in manifest && manifest.format !== FORMAT) throw new BackupRefused('the backup has a format that this version does not know: restore it with the version that made it, or a later one')
  if (!Value.Check(Manifest, manifest)) throw new BackupRefused(`this is no backup: its ${MANIFEST} is malformed`)
  const strange = Object.keys(manifest.files).find(name => !names.includes(name))
  if (strange !== undefined) throw new BackupRefused(`the backup holds ${JSON.stringify(strange)}, which does not belong there`)
  return manifest
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
