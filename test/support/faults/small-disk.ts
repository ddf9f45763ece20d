import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import type { Test } from 'tap'
import { pythonArgv } from '#support/sandbox.ts'
import { testEnv } from '#support/servers/server.ts'

export interface SmallDisk {
  env: Record<string, string>
  /** Root fills it with bytes, or with files, until nothing more is taken. */
  fill (kind: 'bytes' | 'inodes'): void
  /** Takes away what filled it. */
  clear (): void
}

/** Settings of a server whose data folder is on a small file system. Call it in a test's own mount namespace. */
export function smallDisk (t: Test, { sizeMiB, inodes = 100_000 }: { sizeMiB: number, inodes?: number }, overrides: Record<string, string>): SmallDisk {
  const env = testEnv(overrides)
  const folder = env.EX10_DATA_DIR!
  rmSync(`${folder}/templates`)
  env.EX10_DATA_DIR = `${folder}/data`
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,nr_inodes=${inodes},mode=0711`, 'tmpfs', folder])
  mkdirSync(env.EX10_DATA_DIR, { mode: 0o711 })
  symlinkSync('../../templates', `${env.EX10_DATA_DIR}/templates`)
  t.teardown(() => {
    execFileSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    env,
    fill (kind) {
      const [command = '', ...args] = pythonArgv('fill.py', kind, folder)
      t.match(execFileSync(command, args, { encoding: 'utf8' }), 'ENOSPC', 'the disk is full')
    },
    clear () {
      for (const name of ['filler', 'fillers']) rmSync(`${folder}/${name}`, { recursive: true, force: true })
    }
  }
}
