import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { TEST_DATA } from '#support/servers/server.ts'

/** What fails of nft, for everybody in this mount namespace: nothing, what opens ports, all that changes anything, all, or that it can be run at all. */
export type Broken = 'nothing' | 'adding' | 'changing' | 'all' | 'running'

export interface NftGate {
  break (what: Broken): void
  /** How often somebody has asked for this. */
  asked (words: string): number
  /** The real nft, however broken the other is. */
  nft (...words: string[]): string
}

/** Puts a script in nft's place, which passes on to it what is not broken. Call it in a test's own mount namespace. */
export function gateNft (t: Test): NftGate {
  const folder = mkdtempSync(`${TEST_DATA}/nft-`)
  copyFileSync('/usr/sbin/nft', `${folder}/nft`)
  writeFileSync(`${folder}/broken`, 'nothing')
  writeFileSync(`${folder}/gate`, `#!/bin/sh
echo "$*" >>${folder}/asked
case "$(cat ${folder}/broken) $*" in
  all*|adding\\ add*|changing\\ add*|changing\\ -f*) echo 'nft is broken' >&2; exit 1
esac
exec ${folder}/nft "$@"
`, { mode: 0o755 })
  execFileSync('mount', ['--bind', `${folder}/gate`, '/usr/sbin/nft'])
  t.teardown(() => {
    execFileSync('umount', ['/usr/sbin/nft'])
    rmSync(folder, { recursive: true })
  })
  return {
    break (what) {
      writeFileSync(`${folder}/broken`, what)
      chmodSync(`${folder}/gate`, what === 'running' ? 0o644 : 0o755)
    },
    asked: words => readFileSync(`${folder}/asked`, 'utf8').split(words).length - 1,
    nft: (...words) => execFileSync(`${folder}/nft`, words, { encoding: 'utf8' })
  }
}
