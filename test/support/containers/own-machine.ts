import { execFileSync } from 'node:child_process'
import { TEST_DATA } from '#support/servers/server.ts'

const MARK = 'EX10_TEST_OWN_MACHINE'

/** The network of the machine itself, as nsenter takes it. */
export const MACHINE_NETWORK = '/run/machine-network'

/**
 * Goes on in namespaces of this test's own: processes, mounts, network. Containers that are made here leave no process, mount,
 * bridge or packet filter on the machine, however the test ends. What the container tools keep in /run, /dev/shm and
 * /var/lib/containers is private, too. Tests with containers wait for each other: they share a cache. Call it before tap is imported.
 */
export function enterOwnMachine (file: string): void {
  if (process.env[MARK]) {
    execFileSync('ip', ['link', 'set', 'lo', 'up'])
    return
  }
  const prepare = [
    'for folder in /run /dev/shm /var/lib/containers; do mkdir -p "$folder"; mount -t tmpfs -o mode=755 tmpfs "$folder"; done',
    'chmod 1777 /dev/shm',
    `: >${MACHINE_NETWORK}; mount --bind /proc/self/ns/net ${MACHINE_NETWORK}`,
    'exec unshare --net -- tini -- "$@"' // tini reaps the containers' monitors
  ]
  const argv = ['flock', '--no-fork', `${TEST_DATA}/containers.lock`, 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--', 'sh', '-ec', prepare.join('\n'), 'sh', process.execPath, ...process.execArgv, file]
  process.execve!('/usr/bin/flock', argv, { ...process.env, [MARK]: '1' })
}
