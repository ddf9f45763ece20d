import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Noun, Thing } from '#domain/machine/audit.ts'
import { ACCOUNT_FILES, ensureGroup, removeAccount, removeStaleLocks, staleLocks } from '#system/accounts/accounts.ts'
import { ACCOUNT_NAME, isOurUid, type Place } from './place.ts'

/**
 * Lines, in all account files, of accounts with a uid of the range or a home of ours; and lines without an account, with the
 * name of a recorded session's account.
 */
export function accounts (place: Place): Noun {
  return {
    noun: 'accounts',
    async observe () {
      const files = await Promise.all(ACCOUNT_FILES.map(async file => [file, await linesOf(file)] as const))
      const [, passwd = []] = files[0] ?? []
      const recorded = place.recordedAccounts()
      const ours = new Map([...recorded.keys()].map(name => [name, recorded.get(name)?.uid]))
      for (const [name = '', , uid = '', , , home = ''] of passwd) {
        if (isOurUid(place, Number(uid)) || home.startsWith(place.folder.homes + '/')) ours.set(name, Number(uid))
      }
      return files.flatMap(([file, lines]) => lines.flatMap(([name = '']) => {
        const isOurs = ours.has(name) || (file.startsWith('sub') && isOurUid(place, Number(name))) // subuids may be given to a uid
        return isOurs ? [toThing(place, file, name, ours.get(name))] : []
      }))
    },
    implied: ({ account }) => ['passwd', 'shadow'].map(file => toFinding(file, account.name))
  }
}

const toFinding = (file: string, name: string) => ({ kind: 'account', name: `${name} in /etc/${file}` })

/** An account of another name with a uid of the range is reported and left alone. */
function toThing (place: Place, file: string, name: string, uid: number | undefined): Thing {
  const isSessions = ACCOUNT_NAME.test(name) && uid !== undefined
  const repair = async () => removeAccount({ name, uid: uid ?? -1, gid: await ensureGroup(), home: join(place.folder.homes, name) })
  return { ...toFinding(file, name), owner: name, repair: isSessions ? repair : undefined }
}

async function linesOf (file: string): Promise<string[][]> {
  return (await readFile(`/etc/${file}`, 'utf8')).split('\n').filter(Boolean).map(line => line.split(':'))
}

/** Lock files and temporaries of the account files that no live process holds. They belong to the whole machine. */
export const locks: Noun = {
  noun: 'locks',
  observe: async () => (await staleLocks()).map(name => ({ kind: 'lock', name, owner: undefined, repair: removeStaleLocks }))
}
