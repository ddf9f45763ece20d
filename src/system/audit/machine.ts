import { existsSync, readdirSync } from 'node:fs'
import type { Known, Noun } from '#domain/machine/audit.ts'
import { runningServer } from '#system/instance/claims.ts'
import { accounts, locks } from './accounts.ts'
import { cgroups } from './cgroups.ts'
import { ipc } from './ipc.ts'
import { mounts } from './mounts.ts'
import { openPorts, sockets } from './network.ts'
import type { FirewallBackend } from '#system/firewall/backend.ts'
import type { Place } from './place.ts'
import { processes } from './processes.ts'
import { NO_RECORDS, readRecords, records } from './records.ts'
import { rootProcesses } from './root-processes.ts'
import { folders, homes, strayFiles } from './storage.ts'

/** The settings that tell an instance's things from all other things. */
export type Settings = Pick<Place, 'instance' | 'folder' | 'uidMin' | 'uidMax' | 'portRanges'>

/** Everything that an instance may have on the machine, in a safe order of removal; and the sessions that may have it. */
export function machineOf (settings: Settings, firewall: FirewallBackend): { nouns: Noun[], known: () => Known } {
  let recorded = NO_RECORDS // one reading serves a whole audit, because reading takes time
  const read = () => (recorded = readRecords(settings.folder.registry))
  const serverPid = () => runningServer(settings.instance)
  const knownIds = () => recorded.ids.union(new Set(existsSync(settings.folder.sessions) ? readdirSync(settings.folder.sessions) : [])) // before the first start there is none
  const place: Place = { ...settings, firewall, serverPid, recordedAccounts: () => recorded.accounts, knownIds, readyIds: () => recorded.live.filter(({ state }) => state === 'ready').map(({ id }) => id) }
  return {
    known: () => ({ live: read().live, isServed: serverPid() !== undefined }),
    nouns: [
      processes(place), rootProcesses(place), sockets(place), openPorts(place), mounts(place), cgroups(place), strayFiles(place), ipc(place),
      homes(place), locks, accounts(place), folders(place), records(() => recorded)
    ]
  }
}
