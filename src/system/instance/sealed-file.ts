import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FORMATS, type Sealer } from '#domain/storage/sealer.ts'
import { ifGone } from '#system/kernel/gone.ts'

/** A file in the root-owned folder `dir` of a session, sealed with the session's data key. */
export interface SealedFile { sealer: Sealer, dir: string, session: string, name: string }

/** Replaces the file; it is whole at any moment. */
export async function writeSealed ({ sealer, dir, session, name }: SealedFile, text: string): Promise<void> {
  const sealed = await sealer.seal(session, name, Buffer.from(text))
  await writeFile(join(dir, `${name}.new`), sealed, { mode: 0o600 })
  await rename(join(dir, `${name}.new`), join(dir, name))
}

/**
 * The text of the file; undefined when there is none. The text that a server without a key wrote is read as it is.
 * @throws {Ex10Error} EX10_SEAL_BROKEN
 */
export async function readSealed ({ sealer, dir, session, name }: SealedFile): Promise<string | undefined> {
  const kept = await readFile(join(dir, name)).catch(ifGone())
  if (!kept) return undefined
  const plain = kept[0] === FORMATS.value ? await sealer.open(session, name, kept) : kept
  return plain.toString()
}
