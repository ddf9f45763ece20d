// npm run audit: what the machine has too much or too little for the live sessions of the instance. The server may run or not.
import { audit, isClean, viewAudit } from '#domain/machine/audit.ts'
import { portRanges } from '#domain/machine/slots.ts'
import { readConfig } from '#config.ts'
import { machineOf } from '#system/audit/machine.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { backendOf } from '#system/firewall/choice.ts'
import { Refused, runProgram } from './root-command.mjs'

const USAGE = `usage: npm run --silent audit

Compares the machine with the live sessions, and prints {"leaked":[…],"missing":[…]}. Reads the same EX10_* settings as the
server. "unknown" lists entries of the data folder that Ex10 did not make, if any. Exits with 0 when the other lists are empty, with 1 when not, and with 2 when the comparison failed.`
const TIMEOUT_MS = 60_000

await runProgram({ usage: USAGE, whyRoot: 'only root can read everything', exitCode: 2 }, async () => {
  try {
    await compare()
  } catch (error) {
    throw new Refused(`ex10: not audited: ${error.message}`, { cause: error })
  }
})

async function compare () {
  const config = readConfig(process.env)
  const { nouns, known } = machineOf({ ...config, folder: dataFolderAt(config.dataDir), portRanges: portRanges(config.portBase, config.slots) }, await backendOf(config))
  const found = await audit(nouns, known, AbortSignal.timeout(TIMEOUT_MS))
  if (found.unseen.length > 0) throw new Error(found.unseen.map(({ noun, error }) => `${noun}: ${error.message}`).join('; '))
  console.log(JSON.stringify(viewAudit(found), null, 2))
  process.exitCode = isClean(found) ? 0 : 1
}
