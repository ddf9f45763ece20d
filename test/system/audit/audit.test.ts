import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import type { Place } from '#system/audit/place.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { nftables } from '#system/firewall/nft.ts'
import { readProcesses } from '#system/audit/process-table.ts'

t.test('a dead child that the server has not reaped is seen', async t => {
  const parent = spawn('python3', ['-c', 'import os, time\npid = os.fork()\nif pid == 0: os._exit(0)\nprint(pid, flush=True)\ntime.sleep(1000)'])
  t.teardown(() => parent.kill('SIGKILL'))
  const child = Number(String((await once(parent.stdout, 'data'))[0]))
  const place: Place = {
    instance: 'ex10_no_such',
    folder: dataFolderAt('/nowhere'),
    uidMin: 3_000_000_000,
    uidMax: 3_000_000_009,
    portRanges: [],
    firewall: nftables({ instance: 'ex10_no_such', uidMin: 3_000_000_000, uidMax: 3_000_000_009, portRanges: [], resolvers4: [], resolvers6: [], nets4: [], nets6: [] }),
    serverPid: () => parent.pid,
    recordedAccounts: () => new Map(),
    knownIds: () => new Set(),
    readyIds: () => []
  }
  t.match(await readProcesses(place), [{ pid: child, isZombie: true, owner: undefined }])
  t.strictSame(await readProcesses({ ...place, serverPid: () => undefined }), [], 'another\'s dead child is not ours')
})
