// Compares the machine with the live sessions of the instance. The server may run or not. Reads the same EX10_* settings as
// the server. Prints {"leaked":[…],"missing":[…]}. Exits with 0 when both are empty, with 1 when not, and with 2 when the
// comparison failed.
import { audit, isClean } from '#domain/machine/audit.ts'
import { portRanges } from '#domain/machine/slots.ts'
import { readConfig } from '#config.ts'
import { machineOf } from '#system/audit/machine.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { backendOf } from '#system/firewall/choice.ts'

const TIMEOUT_MS = 60_000

try {
  if (process.getuid() !== 0) throw new Error('root is needed to read everything: run this command as root')
  const config = readConfig(process.env)
  const { nouns, known } = machineOf({ ...config, folder: dataFolderAt(config.dataDir), portRanges: portRanges(config.portBase, config.slots) }, await backendOf(config))
  const found = await audit(nouns, known, AbortSignal.timeout(TIMEOUT_MS))
  if (found.unseen.length > 0) throw new Error(found.unseen.map(({ noun, error }) => `${noun}: ${error.message}`).join('; '))
  const show = ({ kind, name }) => ({ kind, name })
  console.log(JSON.stringify({ leaked: found.leaked.map(show), missing: found.missing.map(show) }, null, 2))
  process.exitCode = isClean(found) ? 0 : 1
} catch (error) {
  console.error(`ex10: not audited: ${error.message}`)
  process.exitCode = 2
}
