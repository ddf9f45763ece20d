import { closest } from 'fastest-levenshtein'
import { BadSetting } from './setting.ts'

/** Variables of other programs of Ex10, which a person may have in the same environment: `ex10 dev` and the tests. */
const OTHERS = /^EX10_(SERVER|KEY|TALLY|TEST_[A-Z_]+)$/

/** Refuses a variable that is no setting: the operator means another one. Its value is not shown, because it may be a secret. @throws {BadSetting} */
export function refuseUnknown (env: Record<string, string | undefined>, settings: readonly string[]): void {
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('EX10_') || !value?.trim() || OTHERS.test(name) || settings.includes(name)) continue
    throw new BadSetting(`${name} cannot be used: there is no such setting; the nearest is ${closest(name, settings)}`)
  }
}
