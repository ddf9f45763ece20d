import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, globSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { createHomeImage, measureImages, removeHome } from '#system/accounts/homes.ts'
import { firstLine, start } from '#support/sandbox.ts'
import { TEST_DATA } from '#support/servers/server.ts'

const MODULE = new URL('../../../src/system/accounts/homes.ts', import.meta.url).href
const MOUNT = fileURLToPath(new URL('../../../src/system/sandbox/mount-home.sh', import.meta.url))
const MIB = 1024 * 1024
const soon = () => AbortSignal.timeout(20_000)

function folder (t: Test): string {
  mkdirSync(TEST_DATA, { recursive: true, mode: 0o711 })
  const path = mkdtempSync(`${TEST_DATA}/homes-`)
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const ownerOf = (home: string) => ({ uid: 64125, gid: 64125, home })
const loopDevices = (path: string) => globSync('/sys/devices/virtual/block/loop*/loop/backing_file').filter(file => { try { return readFileSync(file, 'utf8').includes(path) } catch { return false } })

/** Mounts the image in a namespace of its own, as a sandbox does, and keeps it there. */
async function mount (t: Test, home: string) {
  const child = start(t, ['unshare', '--mount', 'sh', '-ec', 'sh "$0" "$1" /mnt; echo mounted "$(stat -c %u:%g /mnt)"; exec cat', MOUNT, `${home}.img`])
  t.equal(await firstLine(child), 'mounted 64125:64125')
  return child
}

t.test('homes that are made and mounted at the same time do not get into each other\'s way, and go one by one', async t => {
  const homes = Array.from({ length: 12 }, (_, index) => `${folder(t)}/home${index}`)
  const mounted = await Promise.all(homes.map(async home => {
    await createHomeImage(ownerOf(home), 16, soon())
    return mount(t, home)
  }))
  for (const home of homes) t.equal(loopDevices(`${home}.img`).length, 1, 'each has a loop device of its own')
  await Promise.all(homes.map(async (home, index) => {
    mounted[index]!.kill('SIGKILL')
    await removeHome(ownerOf(home), soon())
    t.equal(loopDevices(`${home}.img`).length, 0, 'it is free')
  }))
})

t.test('a home that is still in use is not removed, and is once it is free', async t => {
  const home = `${folder(t)}/home`
  await createHomeImage(ownerOf(home), 16, soon())
  const mounted = await mount(t, home)
  await t.rejects(removeHome(ownerOf(home), AbortSignal.timeout(300)), { name: 'TimeoutError' })
  t.equal(loopDevices(`${home}.img`).length, 1)
  mounted.kill('SIGKILL')
  await removeHome(ownerOf(home), soon())
  await removeHome(ownerOf(home), soon()) // and there is nothing to do any more
  t.strictSame(readdirSync(home.slice(0, -5)), [])
})

t.test('a server that is killed while it makes a home leaves nothing that the next one does not remove', async t => {
  const place = folder(t)
  let halfMade = 0
  for (let ms = 0; ms < 24; ms++) {
    const home = `${place}/home${ms}`
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      const { createHomeImage } = await import('${MODULE}')
      console.log('go')
      await createHomeImage(${JSON.stringify(ownerOf(home))}, 4096, AbortSignal.timeout(9999))
    `], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    await delay(ms / 2)
    child.kill('SIGKILL')
    await once(child, 'exit')
    if (readdirSync(place).includes(`home${ms}.img.new`)) halfMade++
    await removeHome(ownerOf(home), soon())
  }
  t.ok(halfMade > 0, `control: ${halfMade} were killed half-way`)
  await delay(300) // a mke2fs that outlived its server would have brought its file back by now
  t.strictSame(readdirSync(place), [])
})

t.test('an image takes room as it is filled, and what it may still take is counted', async t => {
  const place = folder(t)
  await createHomeImage(ownerOf(`${place}/a`), 64, soon())
  await createHomeImage(ownerOf(`${place}/b`), 64, soon())
  const { count, growthBytes } = await measureImages(place)
  t.equal(count, 2)
  t.ok(growthBytes > 126 * MIB && growthBytes < 128 * MIB, `${growthBytes / MIB} MiB`)
})
