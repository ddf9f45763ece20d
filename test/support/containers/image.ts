import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { TEST_DATA } from '#support/servers/server.ts'
import { SPAN } from '#support/servers/span.ts'
import { commandsOf } from './container.ts'
import { MACHINE_NETWORK } from './own-machine.ts'
import { ENGINE, linesOf, podman } from './podman.ts'

export const IMAGE = 'ex10'
const BASE = 'localhost/debian:bookworm-slim'
/** Such as `debian:bookworm-slim` leaves out, too. */
const NOT_SLIM = ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'var/lib/apt/lists', 'var/cache/apt']
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
const ON_MACHINE_NETWORK = ['nsenter', `--net=${MACHINE_NETWORK}`, '--']

/** Imports a Debian as the base of images, made by debootstrap, unless an earlier run did. */
export async function importBase (t: Test): Promise<void> {
  if (await podman('images', '--quiet', BASE) !== '') return
  const folder = mkdtempSync(`${TEST_DATA}/data-${SPAN}-debian-`)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  await linesOf([...ON_MACHINE_NETWORK, 'debootstrap', '--variant=minbase', 'bookworm', folder])
  // security updates and other sources as this machine has them
  for (const path of ['etc/apt/sources.list', 'etc/apt/sources.list.d']) {
    rmSync(join(folder, path), { recursive: true, force: true })
    if (existsSync(`/${path}`)) execFileSync('cp', ['-R', `/${path}`, join(folder, path)])
  }
  const archive = spawn('tar', ['-C', folder, ...NOT_SLIM.map(path => `--exclude=./${path}/*`), '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await linesOf([...ENGINE, 'import', '-', BASE], { input: archive.stdout })
}

/** Builds the image from the files that a clean checkout has. This machine's certificates are a build secret. */
export async function buildImage (t: Test): Promise<void> {
  const [[verb = '', ...words] = []] = commandsOf('README.md')
  const checkout = mkdtempSync(`${TEST_DATA}/data-${SPAN}-checkout-`)
  t.teardown(() => rmSync(checkout, { recursive: true, force: true }))
  // the same time for all files: layers of files that have not changed are taken from the cache
  execFileSync('sh', ['-ec', 'git ls-files -z --cached --others --exclude-standard --deduplicate | tar --null --files-from=- --ignore-failed-read --mtime=@0 -c | tar -C "$1" -x', 'sh', checkout], { stdio: ['ignore', 'ignore', 'ignore'] })
  await linesOf([...ON_MACHINE_NETWORK, ...ENGINE, verb, '--isolation=chroot', '--network=host', '--layers', '--format=docker', `--build-arg=BASE=${BASE}`,
    '--build-arg=NODE_EXTRA_CA_CERTS=/run/secrets/ca', `--secret=id=ca,src=${CERTIFICATES}`, ...words], { cwd: checkout })
}
