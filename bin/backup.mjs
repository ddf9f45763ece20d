// npm run backup: a copy of what the instance cannot make again. The server may run or not.
import { basename, resolve } from 'node:path'
import { readConfig } from '#config.ts'
import { backendOf, copiesOf } from '#stores/index.ts'
import { makeBackup } from '#system/instance/backup.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { version } from '#version.ts'
import { Refused, runProgram } from './root-command.mjs'

const USAGE = `usage: npm run backup -- FILE [--with-keys]

Writes keys, the audit log, statistics, records and blobs to FILE, a tar.gz that only root can read; it replaces an earlier FILE.
Reads the same EX10_* settings as the server, which may run. "npm run restore" reads FILE. Records and blobs are sealed: keep
a copy of EX10_KEY_FILE elsewhere. With --with-keys it is in FILE, too, and everybody who has FILE can read all.`

await runProgram({ options: { 'with-keys': { type: 'boolean' } }, most: 1, usage: USAGE, whyRoot: 'only root can read the keys' }, async ({ 'with-keys': withKeys }, [file]) => {
  if (!file) throw new Refused(USAGE)
  const config = readConfig(process.env)
  const copies = copiesOf(config.store)
  if (!copies) throw new Refused(`ex10: with EX10_STORE=${backendOf(config.store)}:, the data folder has no stores: use the backup of that server`)
  const path = resolve(process.env.INIT_CWD ?? '.', file) // npm runs scripts in the project's folder
  const folder = dataFolderAt(config.dataDir)
  const keyFile = config.keyFile || folder.masterKeys
  if (withKeys && keyFile === 'none') throw new Refused('ex10: with EX10_KEY_FILE=none there is no key file')
  const { files } = await makeBackup(folder, copies, { version, store: backendOf(config.store) }, path, withKeys ? keyFile : undefined)
  console.log(`${path} has ${Object.keys(files).join(', ')} of ${config.dataDir}`)
  if (!withKeys && keyFile !== 'none' && files[basename(folder.records)]) console.log(`It has no key: what is sealed in it can be read only with ${keyFile}`)
  if (config.blobs) console.log(`It has no blobs: they are in ${config.blobs}`)
})
