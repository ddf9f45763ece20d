import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Makes what set-up has downloaded part of the npm cache in the home, which npm must be able to write: its index is
 * copied, its contents are linked. Nothing that is there already is touched. Some thousand small files: waiting for each
 * in turn takes a tenth of the time that asking for all at once does.
 */
export function seedNpmCache (shared, own) {
  const [from, to] = [join(shared, '_cacache'), join(own, '_cacache')]
  if (!existsSync(from)) return
  spread(join(from, 'index-v5'), join(to, 'index-v5'), copyFileSync)
  spread(join(from, 'content-v2'), join(to, 'content-v2'), symlinkSync)
}

/** Has `place(from, to)` put each file of a folder to the same place in another. */
function spread (from, to, place) {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) spread(source, target, place)
    else if (!existsSync(target)) place(source, target)
  }
}
