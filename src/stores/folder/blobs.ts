import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { lstat, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { nameOfBlob, type BlobStore } from '#domain/storage/blob-store.ts'

/** A blob that is being written. No blob's name begins like this. */
const NEW = '.new-'

/**
 * Keeps blobs as files, one folder a scope, below `folder`, which only root can read. Removes the halves that an earlier
 * server left. The kernel writes to the disk when it likes: a loss of power may lose the last seconds. A wait for a disk that a
 * session fills would slow down the pushes of all.
 */
export async function folderBlobs (folder: string): Promise<BlobStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const scope of await readdir(folder)) {
    for (const name of await namesIn(join(folder, scope))) if (name.startsWith(NEW)) await rm(join(folder, scope, name), { force: true })
  }
  const pathOf = (...names: string[]) => join(folder, ...names.map(nameOfBlob))

  return {
    async put (scope, id, content, signal) {
      const path = pathOf(scope, id)
      const there = await sizeOf(path)
      if (there !== undefined) return there
      const made = join(pathOf(scope), `${NEW}${randomBytes(6).toString('hex')}`)
      await mkdir(pathOf(scope), { recursive: true, mode: 0o700 })
      try {
        const pieces = content instanceof Uint8Array ? Readable.from([content]) : content
        await pipeline(pieces, createWriteStream(made, { mode: 0o600 }), { signal })
        const bytes = (await lstat(made)).size
        await rename(made, path)
        return bytes
      } catch (error) {
        await rm(made, { force: true })
        throw error
      }
    },
    async get (scope, id) {
      const file = await open(pathOf(scope, id)).catch(ifMissing)
      return file?.createReadStream()
    },
    async list (scope) {
      const names = (await namesIn(pathOf(scope))).filter(name => !name.startsWith(NEW))
      const sizes = await Promise.all(names.map(name => sizeOf(pathOf(scope, name))))
      return names.flatMap((id, index) => sizes[index] === undefined ? [] : [{ id, bytes: sizes[index] }])
    },
    async delete (scope, id) {
      await rm(pathOf(scope, id), { force: true })
      await rmdir(pathOf(scope)).catch(() => {}) // it is not empty, or gone
    },
    drop: scope => rm(pathOf(scope), { recursive: true, force: true }),
    scopes: () => readdir(folder),
    async close () {}
  }
}

async function namesIn (folder: string): Promise<string[]> {
  return await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

async function sizeOf (path: string): Promise<number | undefined> {
  return (await lstat(path).catch(ifMissing))?.size
}

/** Passes on every error but that there is no such file. */
function ifMissing (error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
