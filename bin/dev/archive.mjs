// The first files of a session: the folder as one zip archive or, if that is too large, some of its files.
import { zipSync } from 'fflate'
import { Batch, isLarge } from './batches.mjs'
import { Unreadable } from './folder.mjs'

/** The limits of a server: 20,000 entries, 200 MB unpacked, and at most 100 times the size of the archive. */
const [FILES, BYTES, RATIO] = [20_000, 200_000_000, 100]

/**
 * Reads these files of the folder. Returns the `archive`, or `files` in the form of a request, and the hashes of its files
 * by path. Calls `skip` with each unreadable file and the reason.
 */
export async function pack (folder, paths, skip) {
  const batch = new Batch()
  const contents = {}
  const hashes = new Map()
  let bytes = 0
  for (const path of paths) {
    const file = await folder.read(path).catch(error => {
      if (!(error instanceof Unreadable)) throw error
      skip(path, error.message)
    })
    if (!file) continue
    bytes += file.content.length
    if (bytes > BYTES || hashes.size === FILES) return { files: batch.files, hashes: batch.hashes }
    if (!isLarge(file)) batch.add({ path, ...file })
    contents[path] = file.content
    hashes.set(path, file.hash)
  }
  return hashes.size === 0 ? { hashes } : { archive: zipOf(contents, bytes), hashes }
}

function zipOf (contents, bytes) {
  const archive = zipSync(contents, { level: 1 })
  return archive.length * RATIO < bytes ? zipSync(contents, { level: 0 }) : archive
}
