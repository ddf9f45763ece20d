import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Makes what set-up has downloaded part of the npm cache in the home, which npm must be able to write: its index is
 * copied, its contents are linked. Nothing that is there already is touched.
 */
export async function seedNpmCache (shared, own) {
  const [from, to] = [join(shared, '_cacache'), join(own, '_cacache')]
  if (!existsSync(from)) return
  await cp(join(from, 'index-v5'), join(to, 'index-v5'), { recursive: true, force: false })
  const contents = await readdir(join(from, 'content-v2'), { recursive: true, withFileTypes: true })
  const links = contents.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const folders = new Set(links.map(path => dirname(to + path.slice(from.length))))
  for (const folder of folders) await mkdir(folder, { recursive: true })
  await Promise.all(links.map(path => symlink(path, to + path.slice(from.length)).catch(ignoreThere)))
}

function ignoreThere (error) {
  if (error.code !== 'EEXIST') throw error
}
