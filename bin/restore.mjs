// npm run restore: puts a backup in its place, all of it or nothing.
import { resolve } from 'node:path'
import { readConfig } from '#config.ts'
import { backendOf, copiesOf } from '#stores/index.ts'
import { readBackup, keptNames, sealedNames } from '#system/instance/backup-file.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { restoreBackup } from '#system/instance/restore.ts'
import { Refused, runProgram } from './root-command.mjs'

const USAGE = `usage: npm run restore -- FILE [--force] [--without-sealed]

Checks FILE, which "npm run backup" made, and puts it in the data folder, while no server runs on that. Reads the same EX10_*
settings as the server. Without --force, the data folder must have no store yet; with it, those in FILE are replaced. What is
sealed in FILE needs its key in EX10_KEY_FILE. Where that is lost, --without-sealed restores the rest.`

await runProgram({ options: { force: { type: 'boolean' }, 'without-sealed': { type: 'boolean' } }, most: 1, usage: USAGE, whyRoot: 'only root may write the keys' }, async ({ force, 'without-sealed': withoutSealed }, [file]) => {
  if (!file) throw new Refused(USAGE)
  const config = readConfig(process.env)
  if (!copiesOf(config.store)) throw new Refused(`ex10: with EX10_STORE=${backendOf(config.store)}:, no store is in the data folder: restore that server's own backup, or set EX10_STORE=sqlite:`)
  const folder = dataFolderAt(config.dataDir)
  const path = resolve(process.env.INIT_CWD ?? '.', file) // npm runs scripts in the project's folder
  const manifest = await readBackup(path, keptNames(folder))
  const names = Object.keys(manifest.files).filter(name => !withoutSealed || !sealedNames(folder).includes(name))
  const there = folder.databases()
  if (there.length > 0 && !force) throw new Refused(`ex10: ${config.dataDir} has ${there.join(', ')} already: --force replaces ${names.join(', ')} there, and leaves the rest`)
  await restoreBackup(path, manifest, folder, config, names)
  const replaced = names.filter(name => there.includes(name))
  console.log(`${names.join(', ')} of ${manifest.madeAt} are in ${config.dataDir}${replaced.length > 0 ? `; replaced: ${replaced.join(', ')}` : ''}`)
})
