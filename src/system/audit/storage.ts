import { access, lstat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Noun, Thing } from '#domain/machine/audit.ts'
import { ifGone } from '#system/kernel/gone.ts'
import { processesOf } from '#system/kernel/processes.ts'
import { run } from '#system/kernel/run.ts'
import { entriesOf } from './files.ts'
import { ACCOUNT_NAME, isOurUid, SESSION_NAME, type Place, IMAGE_SUFFIX } from './place.ts'

/** The folders in which any user may leave a file. */
const SHARED = ['/tmp', '/tmp/.X11-unix', '/var/tmp', '/dev/shm', '/run', '/run/lock', '/var/mail', '/var/spool/cron', '/var/spool/cron/crontabs']

/** Homes: folders, or images of file systems. */
export function homes (place: Place): Noun {
  const toFinding = (account: string) => ({ kind: 'home', name: join(place.folder.homes, account) })
  return {
    noun: 'homes',
    observe: async () => (await entriesOf(place.folder.homes)).map(entry => {
      const account = entry.replace(IMAGE_SUFFIX, '')
      return { ...toFinding(account), owner: account, repair: ACCOUNT_NAME.test(account) ? signal => removeHome(place, entry, signal) : undefined } satisfies Thing
    }),
    implied: ({ account }) => [toFinding(account.name)]
  }
}

async function removeHome (place: Place, entry: string, signal: AbortSignal): Promise<void> {
  const path = join(place.folder.homes, entry)
  const owner = await lstat(path).then(({ uid }) => uid, ifGone())
  if (owner === undefined) return
  if (isOurUid(place, owner) && (await processesOf(owner)).length > 0) throw new Error(`processes of uid ${owner} are left`)
  await remove(path, signal)
}

/** The sessions' folders, and unknown entries of the data folder. */
export function folders (place: Place): Noun {
  const toFinding = (id: string) => ({ kind: 'folder', name: place.folder.session(id) })
  return {
    noun: 'folders',
    async observe () {
      const [sessions, entries] = await Promise.all([entriesOf(place.folder.sessions), entriesOf(place.folder.path)])
      return [
        ...sessions.map(id => ({ ...toFinding(id), owner: id, repair: SESSION_NAME.test(id) ? (signal: AbortSignal) => remove(toFinding(id).name, signal) : undefined })),
        ...entries.filter(name => !place.folder.knows(name)).map(name => ({ kind: 'folder', name: join(place.folder.path, name), owner: undefined, isUnknown: true as const }))
      ]
    },
    implied: ({ id }) => [toFinding(id)]
  }
}

/**
 * Files of a uid of the range in shared folders of the host, such as X sockets and locks. (A session's own /tmp and the like
 * are in its sandbox.) Folders that only their owner may change are not searched: a checkout in /tmp has tens of thousands
 * of files.
 */
export function strayFiles (place: Place): Noun {
  return {
    noun: 'files',
    async observe () {
      const there = await Promise.all(SHARED.map(path => access(path).then(() => [path], ifGone())))
      const isOurs = ['-uid', `+${place.uidMin - 1}`, '-uid', `-${place.uidMax + 1}`, '-prune', '-printf', '%U %p\\0']
      const isItsOwners = ['-type', 'd', '!', '-perm', '/022', '-prune']
      // a user's /run/user may hold mounts that even root may not read
      const listed = await run(['find', ...there.flatMap(paths => paths ?? []), '-mindepth', '1', '-xdev', '-ignore_readdir_race', ...isOurs, '-o', '-path', '/run/user/*', '-prune', '-o', ...isItsOwners])
      const found = [...new Set(listed.split('\0').filter(Boolean))]
      return found.map(line => {
        const path = line.slice(line.indexOf(' ') + 1)
        return { kind: 'file', name: path, owner: parseInt(line), repair: signal => remove(path, signal) } satisfies Thing
      })
    }
  }
}

/** Removes a path, on its own file system only. rm works by descriptors. */
async function remove (path: string, signal: AbortSignal): Promise<void> {
  await run(['rm', '-rf', '--one-file-system', '--', path], { signal })
}
