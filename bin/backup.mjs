// npm run backup: a copy of what the instance cannot make again. The server may run or not.
import { resolve } from 'node:path'
import { readConfig } from '#config.ts'
import { backendOf, copiesOf } from '#stores/index.ts'
import { makeBackup } from '#system/instance/backup.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { version } from '#version.ts'
import { Refused, runProgram } from './root-command.mjs'

const USAGE = `usage: npm run backup -- FILE

Writes keys, the audit log and statistics to FILE, a tar.gz that only root can read; it replaces an earlier FILE. Reads the same
EX10_* settings as the server, which may run. "npm run restore" reads FILE.`

await runProgram({ most: 1, usage: USAGE, whyRoot: 'only root can read the keys' }, async (_values, [file]) => {
  if (!file) throw new Refused(USAGE)
  const config = readConfig(process.env)
  const copies = copiesOf(config.store)
  if (!copies) throw new Refused(`ex10: with EX10_STORE=${backendOf(config.store)}:, the data folder has no stores: use the backup of that server`)
  const path = resolve(process.env.INIT_CWD ?? '.', file) // npm runs scripts in the project's folder
  const { files } = await makeBackup(dataFolderAt(config.dataDir), copies, { version, store: backendOf(config.store) }, path)
  console.log(`${path} has ${Object.keys(files).join(', ')} of ${config.dataDir}`)
})
