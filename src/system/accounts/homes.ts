import { chown, lstat, mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Account } from '#domain/session.ts'
import { ifGone } from '#system/kernel/gone.ts'
import { loopDevices } from '#system/kernel/loop-devices.ts'
import { until } from '#system/kernel/processes.ts'
import { CommandFailed, run } from '#system/kernel/run.ts'

/**
 * A home is a file system of its own, with a size, in an image beside the place where the session sees it; only the
 * session's sandbox mounts it (sandbox/init.sh). Where the host cannot, it is a folder.
 */
type HomeOwner = Pick<Account, 'uid' | 'gid' | 'home'>

const MIB = 1024 * 1024
const BYTES_PER_INODE = 16384
const MOUNT = fileURLToPath(new URL('../sandbox/mount-home.sh', import.meta.url))
/** The last mount gives its loop device back when its namespace goes, a moment after the last process. */
const AUTOCLEAR_MS = 1000

const imageOf = (home: string) => `${home}.img`
/** An image is made under this name: what has the other one is whole. */
const unfinishedOf = (home: string) => `${home}.img.new`

/** Makes the home's image. It is sparse: it takes room on the disk as the session fills it, up to `sizeMiB`. */
export async function createHomeImage ({ uid, gid, home }: HomeOwner, sizeMiB: number, signal: AbortSignal): Promise<void> {
  const image = await open(unfinishedOf(home), 'wx', 0o600)
  try {
    await image.truncate(sizeMiB * MIB)
  } finally {
    await image.close()
  }
  // given no size, mke2fs makes no file: outliving this server, it does not bring back one that was undone
  await run(['mke2fs', '-t', 'ext4', '-q', '-F', '-b', '4096', '-i', String(BYTES_PER_INODE), '-I', '256', '-m', '0', '-O', '^has_journal,^resize_inode',
    '-E', `nodiscard,lazy_itable_init=1,root_owner=${uid}:${gid}`, unfinishedOf(home)], { signal })
  await rename(unfinishedOf(home), imageOf(home))
}

/** Makes the home a folder, 0700. No process of the uid may exist: nobody can have put anything in its place. */
export async function createHomeFolder ({ uid, gid, home }: HomeOwner): Promise<void> {
  await mkdir(home, { mode: 0o700 })
  await chown(home, uid, gid)
  const made = await lstat(home)
  if (!made.isDirectory() || made.uid !== uid || (made.mode & 0o777) !== 0o700) throw new Error('the home was not made as it should be')
}

/** Removes the home, of either kind, made or half-made; call it when no process of the uid is left. */
export async function removeHome ({ home }: Pick<Account, 'home'>, signal: AbortSignal): Promise<void> {
  if (await isThere(home)) await run(['rm', '-rf', '--one-file-system', '--', home], { signal })
  await releaseImage(home, signal)
  for (const path of [imageOf(home), unfinishedOf(home)]) await rm(path, { force: true })
  for (const path of [home, imageOf(home), unfinishedOf(home)]) if (await isThere(path)) throw new Error('the home could not be removed')
}

/** Resolves when no loop device has the image any more. */
async function releaseImage (home: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + AUTOCLEAR_MS
  await until(async () => {
    // by the file's name alone, which is the account's: of a mount that is going, the kernel does not tell the whole path
    const devices = (await loopDevices()).filter(({ file }) => basename(file) === basename(imageOf(home)))
    if (performance.now() > deadline) for (const { device } of devices) await run(['losetup', '-d', device], { signal })
    return devices.length === 0
  }, signal)
}

/** Makes, mounts and removes a small image, below `folder`. Returns why that does not work here, or undefined when it does. */
export async function whyNoImages (folder: string, instance: string, signal: AbortSignal): Promise<string | undefined> {
  const probe = { uid: 0, gid: 0, home: join(folder, `probe-${instance}`) }
  await removeHome(probe, signal) // what a killed server left
  try {
    const devices = (await run(['findmnt', '-n', '-o', 'FSTYPE', '--target', '/dev/loop-control'], { signal })).trim()
    if (devices !== 'devtmpfs') return `/dev is ${devices}, where new loop devices do not show: use the machine's own`
    await createHomeImage(probe, 16, signal)
    await run(['unshare', '--mount', '--', 'sh', MOUNT, imageOf(probe.home), folder], { signal })
  } catch (error) {
    if (error instanceof CommandFailed) return error.message
    throw error
  } finally {
    await removeHome(probe, signal)
  }
}

/**
 * How many images there are, what they may still grow by, and what is free on the disk that holds them: bytes and files,
 * of which some file systems have no fixed number.
 */
export async function measureImages (folder: string): Promise<{ count: number, growthBytes: number, freeBytes: number, freeFiles: number }> {
  const images = (await readdir(folder)).filter(name => /\.img(\.new)?$/.test(name))
  const growths = (await Promise.all(images.map(async name => {
    const stat = await lstat(join(folder, name)).catch(ifGone())
    return stat && Math.max(0, stat.size - stat.blocks * 512)
  }))).filter(growth => growth !== undefined)
  const { bavail, bsize, files, ffree } = await statfs(folder) // last: an image that grows meanwhile counts twice, and not less than once
  return { count: growths.length, growthBytes: growths.reduce((sum, growth) => sum + growth, 0), freeBytes: bavail * bsize, freeFiles: files > 0 ? ffree : Infinity }
}

async function isThere (path: string): Promise<boolean> {
  return await lstat(path).catch(ifGone()) !== undefined
}
