// Checks the settings, and what the container was given. Says in one line each what is missing and what that costs. With
// EX10_STRICT=1, anything that is missing stops the start. Then puts the templates' stores of the image into the data folder.
import { lstatSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readConfig } from '#config.ts'
import { whyNoImages } from '#system/accounts/homes.ts'
import { backendOf } from '#system/firewall/choice.ts'
import { dataFolderAt, prepareDataFolder } from '#system/instance/data-folder.ts'
import { upTo } from '#system/kernel/rlimits.ts'
import { run } from '#system/kernel/run.ts'
import { detectCgroups } from '#system/sandbox/cgroups.ts'
import { detectHardening } from '#system/sandbox/sandbox.ts'

const STORES = fileURLToPath(new URL('../templates.installed', import.meta.url))
const PROBE_MS = 20_000
const NOBODY = 65534
/** What a sandbox makes: private mounts of these kinds, in these namespaces, and then a root of its own (src/system/sandbox/init.py). */
const MOUNTS = 'mount --make-rprivate /; for folder in /tmp /dev/shm; do mount -t tmpfs -o size=512m tmpfs "$folder"; done; mount -t proc proc /proc; mount -t devpts -o newinstance devpts /dev/pts; mount -t tmpfs tmpfs /mnt; mkdir /mnt/old; cd /mnt; pivot_root . old'

/** A check fails by an error, or by the reason that it resolves with. */
const CHECKS = [
  { part: 'mount', check: () => run(['unshare', '--mount', '--ipc', '--uts', '--pid', '--fork', 'sh', '-ec', MOUNTS]), cost: 'no session can be created', mend: 'the capability SYS_ADMIN, without a security profile that denies mounts or pivot_root' },
  { part: 'user namespaces', check: () => run(['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs', 'unshare', '--user', '--map-root-user', 'true']), cost: 'the sandbox of Chromium does not start, so no session becomes ready', mend: 'sysctl user.max_user_namespaces on the host, and a seccomp profile that allows them' },
  { part: 'firewall', check: firewall, cost: 'the server does not start', mend: 'the capability NET_ADMIN, and nf_tables in the host\'s kernel' },
  { part: 'loop devices', check: config => whyNoImages(dataFolderAt(config.dataDir).homes, config.instance, AbortSignal.timeout(PROBE_MS)), cost: 'homes have no size, and one session can fill the disk of all', mend: 'the machine\'s /dev (--volume /dev:/dev), and the devices 7:* and 10:237' },
  { part: 'cgroups', check: cgroups, cost: 'one session can take all memory, processes or CPU of the container', mend: '--privileged, or a writable /sys/fs/cgroup' },
  { part: 'ulimits', check: ulimits, cost: 'fewer connections, and large pages or builds fail', mend: '--ulimit nofile=65536 --ulimit nproc=65536' },
  { part: 'Landlock', check: async () => (await detectHardening()).landlock === 'none' && 'this kernel has no rules for ports', cost: 'a session can take the ports of later sessions', mend: 'Linux 6.7, and a seccomp profile that allows Landlock' },
  { part: 'seccomp', check: async () => (await detectHardening()).seccomp === 'none' && 'this kernel has no filters', cost: 'sessions can make system calls that they do not need', mend: 'a kernel with seccomp filters' }
]

try {
  const config = readConfig(process.env)
  const folder = dataFolderAt(config.dataDir)
  await prepareDataFolder(folder)
  await openCgroups()
  const missing = await lookAt(config)
  for (const { part, why, cost, mend } of missing) console.error(`ex10: ${part}: ${why}. Cost: ${cost}. Needed: ${mend}`)
  if (config.strict && missing.length > 0) throw new Error(`EX10_STRICT=1 cannot be kept: this container lacks ${missing.map(({ part }) => part).join(', ')}; give what is needed, or start without it`)
  linkStores(folder.templates)
} catch (error) {
  console.error(`ex10: ${error.message}`)
  process.exitCode = 1
}

/**
 * Without --privileged, engines mount the container's groups read-only. SYS_ADMIN may change that; where it cannot, the
 * check says so. Groups of the host, which a container without a cgroup namespace may see, stay as they are.
 */
async function openCgroups () {
  const own = readFileSync('/proc/self/cgroup', 'utf8').split('\n').map(line => line.split(':')[2])
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [, , , root, path, options = ''] = line.split(' ')
    if (!/ - cgroup2? /.test(line) || !options.startsWith('ro,') || !own.includes(root)) continue
    await run(['mount', '-o', 'remount,bind,rw,nosuid,nodev,noexec', path]).catch(() => {})
  }
}

async function lookAt (config) {
  const results = await Promise.all(CHECKS.map(async ({ check, ...words }) => ({ ...words, why: await check(config).catch(error => error.message) })))
  return results.filter(({ why }) => why).map(({ why, ...words }) => ({ ...words, why: why.trim().split('\n').at(-1).replace(/\.$/, '') }))
}

/** Rules can be read here, and loaded in an empty network namespace. */
async function firewall (config) {
  const backend = await backendOf(config)
  await backend.read()
  await backend.expected()
}

async function cgroups ({ instance }) {
  const { version, controllers } = await detectCgroups(instance)
  const missing = ['memory', 'pids', 'cpu'].filter(controller => !controllers.includes(controller))
  if (missing.length > 0) return version === 'none' ? 'no group can be made' : `${version} without ${missing.join(', ')}`
}

async function ulimits () {
  const [files, processes] = await Promise.all([upTo(Infinity, 'Max open files'), upTo(Infinity, 'Max processes')])
  if (files < 16_384) return `at most ${files} open files`
  if (processes < 4096) return `at most ${processes} processes of a user`
}

/** A volume over the data folder hides what the image has there, so the stores are elsewhere in the image. Sessions of an earlier container are gone, and with them the users of its stores. */
function linkStores (link) {
  const found = lstatSync(link, { throwIfNoEntry: false })
  if (found) rmSync(link, { recursive: true })
  symlinkSync(STORES, link)
}
