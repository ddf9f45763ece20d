import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Adds set-up's downloads to the npm cache in the home, which npm must be able to write: the index is copied, the contents
 * are linked. Existing files are left alone. These are some thousand small files: synchronous calls take a tenth of the
 * time of asynchronous calls for all at once.
 */
export function seedNpmCache (shared, own) {
  const [from, to] = [join(shared, '_cacache'), join(own, '_cacache')]
  if (!existsSync(from)) return
  spread(join(from, 'index-v5'), join(to, 'index-v5'), copyFileSync)
  spread(join(from, 'content-v2'), join(to, 'content-v2'), symlinkSync)
}

/** Calls `place(from, to)` for each file of a folder and its place in the other folder, unless that exists. */
function spread (from, to, place) {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) spread(source, target, place)
    else if (!existsSync(target)) place(source, target)
  }
}
