import { chown, lstat, mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Account } from '#domain/session.ts'
import { failure } from '#errors.ts'
import { ifGone } from '#system/kernel/gone.ts'
import { loopDevices } from '#system/kernel/loop-devices.ts'
import { until } from '#system/kernel/processes.ts'
import { CommandFailed, run } from '#system/kernel/run.ts'

/**
 * A home is a file system of its own, with a size, in an image file beside its mount point. Only the session's sandbox mounts
 * it (sandbox/init.py). On a host that cannot do this, a home is a folder.
 */
type HomeOwner = Pick<Account, 'uid' | 'gid' | 'home'>

const MIB = 1024 * 1024
/** The size of the image that shows whether images can be made here. */
const PROBE_MIB = 16
const BYTES_PER_INODE = 16384
const MOUNT = fileURLToPath(new URL('../sandbox/mount-home.sh', import.meta.url))
/** The kernel frees the loop device when the mount namespace ends, a moment after the last process. */
const AUTOCLEAR_MS = 1000

const imageOf = (home: string) => `${home}.img`
/** An image is made under this name, so an image with the other name is complete. */
const unfinishedOf = (home: string) => `${home}.img.new`

/** Makes the home's image. It is sparse: it takes disk space as the session fills it, up to `sizeMiB`. */
export async function createHomeImage ({ uid, gid, home }: HomeOwner, sizeMiB: number, signal: AbortSignal): Promise<void> {
  const image = await open(unfinishedOf(home), 'wx', 0o600)
  try {
    await image.truncate(sizeMiB * MIB)
  } finally {
    await image.close()
  }
  // without a size argument, mke2fs makes no file: should it outlive this server, it does not bring back an image that was undone
  await run(['mke2fs', '-t', 'ext4', '-q', '-F', '-b', '4096', '-i', String(BYTES_PER_INODE), '-I', '256', '-m', '0', '-O', '^has_journal,^resize_inode',
    '-E', `nodiscard,lazy_itable_init=1,root_owner=${uid}:${gid}`, unfinishedOf(home)], { signal })
  await rename(unfinishedOf(home), imageOf(home))
}

/** Makes the home as a folder, 0700. No process of the uid may exist, so none can have put another thing in its place. */
export async function createHomeFolder ({ uid, gid, home }: HomeOwner): Promise<void> {
  await mkdir(home, { mode: 0o700 })
  await chown(home, uid, gid)
  const made = await lstat(home)
  if (!made.isDirectory() || made.uid !== uid || (made.mode & 0o777) !== 0o700) throw new Error('the new home has a wrong type, owner or mode')
}

/** Removes the home, of either kind, complete or half-made. Call it when no process of the uid is left. */
export async function removeHome ({ home }: Pick<Account, 'home'>, signal: AbortSignal): Promise<void> {
  if (await isThere(home)) await run(['rm', '-rf', '--one-file-system', '--', home], { signal })
  await releaseImage(home, signal)
  for (const path of [imageOf(home), unfinishedOf(home)]) await rm(path, { force: true })
  for (const path of [home, imageOf(home), unfinishedOf(home)]) if (await isThere(path)) throw new Error('the home could not be removed')
}

/** Resolves when no loop device has the image. */
async function releaseImage (home: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + AUTOCLEAR_MS
  await until(async () => {
    // compare the file's name only, which holds the account's: while a mount is being removed, the kernel does not give the whole path
    const devices = (await loopDevices()).filter(({ file }) => basename(file) === basename(imageOf(home)))
    if (performance.now() > deadline) for (const { device } of devices) await run(['losetup', '-d', device], { signal })
    return devices.length === 0
  }, signal)
}

/**
 * Makes, mounts and removes a small image, below `folder`. Returns the reason when that fails here, else undefined.
 * @throws {Ex10Error} EX10_NO_DISK when the disk is full, which says nothing about images
 */
export async function whyNoImages (folder: string, instance: string, signal: AbortSignal): Promise<string | undefined> {
  const probe = { uid: 0, gid: 0, home: join(folder, `probe-${instance}`) }
  await removeHome(probe, signal) // a killed server may have left it
  if (!await isThere('/dev/loop-control')) return 'there are no loop devices in /dev: use the machine\'s own /dev'
  try {
    const devices = (await run(['findmnt', '-n', '-o', 'FSTYPE', '--target', '/dev/loop-control'], { signal })).trim()
    if (devices !== 'devtmpfs') return `/dev is ${devices}, where new loop devices do not show: use the machine's own /dev`
    await createHomeImage(probe, PROBE_MIB, signal)
    await run(['unshare', '--mount', '--', 'sh', MOUNT, imageOf(probe.home), folder], { signal })
  } catch (error) {
    if (await isFull(folder)) throw failure('NO_DISK', { cause: error })
    if (error instanceof CommandFailed) return error.message
    throw error
  } finally {
    await removeHome(probe, signal)
  }
}

async function isFull (folder: string): Promise<boolean> {
  const { bavail, bsize, files, ffree } = await statfs(folder)
  return bavail * bsize < PROBE_MIB * MIB || (files > 0 && ffree === 0)
}

/**
 * The number of images, the bytes by which they may still grow, and the free bytes and files of their disk. `freeFiles` is
 * Infinity on a file system without a fixed number of files.
 */
export async function measureImages (folder: string): Promise<{ count: number, growthBytes: number, freeBytes: number, freeFiles: number }> {
  const images = (await readdir(folder)).filter(name => /\.img(\.new)?$/.test(name))
  const growths = (await Promise.all(images.map(async name => {
    const stat = await lstat(join(folder, name)).catch(ifGone())
    return stat && Math.max(0, stat.size - stat.blocks * 512)
  }))).filter(growth => growth !== undefined)
  const { bavail, bsize, files, ffree } = await statfs(folder) // read last: an image that grows in the meantime counts twice, never less than once
  return { count: growths.length, growthBytes: growths.reduce((sum, growth) => sum + growth, 0), freeBytes: bavail * bsize, freeFiles: files > 0 ? ffree : Infinity }
}

async function isThere (path: string): Promise<boolean> {
  return await lstat(path).catch(ifGone()) !== undefined
}
