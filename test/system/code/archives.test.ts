import { execFileSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { crx, pax, tar, tarEntry, tgz, zip, type Entry } from '#support/code/archives.ts'
import { transferred, type Line } from '#support/code/file-transfer.ts'
import { listHome, makeHome, own } from '#support/code/file-writer.ts'

const MIB = 1024 * 1024
const GOOD: Entry[] = [{ name: 'manifest.json', content: '{}' }, { name: 'a/', mode: 0o40755, type: '5' }, { name: 'a/ü.js', content: 'x' }]
const TOLD = [{ name: 'manifest.json', size: 2 }, { name: 'a/', folder: true }, { name: 'a/ü.js', size: 1 }, { done: true }]

interface Unpacked { lines: Line[], files: string[] }

/** What the program says of the archive, and what it has made of it; afterwards nothing of that may be left. */
async function unpack (t: Test, archive: Buffer, home = makeHome(t)): Promise<Unpacked> {
  own(home)
  const folder = `${home}/.ex10-transfer/one`
  let files: string[] = []
  const look = () => { files = readdirSync(folder).sort((a, b) => Number(a) - Number(b)).map(name => lstatSync(`${folder}/${name}`).isFile() ? `${name} ${readFileSync(`${folder}/${name}`, 'latin1').slice(0, 20)}` : name) }
  const lines = await transferred(t, home, { do: 'unpack', transfer: 'one' }, archive, { look: () => { try { look() } catch { /* it refused, and has tidied up */ } } })
  t.strictSame(listHome(home), ['extension 40755 '], 'nothing is left')
  t.strictSame(readdirSync(`${home}/.ex10-transfer`), [], 'nothing is left')
  return { lines, files }
}

async function assertRefused (t: Test, archives: Record<string, Buffer>, error: string): Promise<void> {
  const home = makeHome(t)
  for (const [what, archive] of Object.entries(archives)) t.match((await unpack(t, archive, home)).lines.at(-1), { error }, `${what}: ${error}`)
}

t.test('zip, tar.gz and CRX are known by their content, and give the same files', async t => {
  for (const [what, archive] of Object.entries({ zip: zip(GOOD), 'zip, not compressed': zip(GOOD.map(entry => ({ ...entry, method: 0 }))), 'zip with a comment': zip(GOOD, { comment: 'a comment' }), 'tar.gz': tgz(GOOD), crx: crx(zip(GOOD)) })) {
    t.strictSame(await unpack(t, archive), { lines: TOLD, files: ['0 {}', '1 x'] }, what)
  }
})

t.test('what other programs pack is read: tar, Python\'s zipfile, with long and foreign names', async t => {
  const folder = mkdtempSync(`${tmpdir()}/ex10-packed-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  const long = `${'long/'.repeat(30)}${'n'.repeat(120)}.js`
  execFileSync('python3', ['-c', `import os, sys
os.chdir(sys.argv[1]); os.makedirs(os.path.dirname(sys.argv[2]))
for name in ('manifest.json', '日本.js', sys.argv[2]): open(name, 'w').write(name)
import zipfile
with zipfile.ZipFile('packed.zip', 'w') as z:
    for name in ('manifest.json', '日本.js', sys.argv[2]): z.write(name)`, folder, long])
  for (const format of ['gnu', 'pax', 'v7', 'ustar']) execFileSync('tar', ['czf', `${folder}/${format}.tgz`, `--format=${format}`, '--ignore-failed-read', '-C', folder, 'manifest.json', '日本.js', ...(['gnu', 'pax'].includes(format) ? [long] : [])])
  const names = ['manifest.json', '日本.js', long]
  for (const [name, expected] of Object.entries({ 'packed.zip': names, 'gnu.tgz': names, 'pax.tgz': names, 'v7.tgz': names.slice(0, 2), 'ustar.tgz': names.slice(0, 2) })) {
    const { lines } = await unpack(t, readFileSync(`${folder}/${name}`))
    t.strictSame(lines.map(line => line.name), [...expected, undefined], name)
  }
  const dotted = execFileSync('tar', ['cz', '-C', folder, './manifest.json'])
  t.strictSame((await unpack(t, dotted)).lines[0]?.name, './manifest.json')
  const unsaid = zip([{ name: Buffer.from('日本.js'), flags: 0, content: 'x' }])
  t.strictSame((await unpack(t, unsaid)).lines[0]?.name, '日本.js', 'UTF-8 that is not said to be')
})

t.test('names are told as they are, and lead nowhere: files are put under numbers', async t => {
  const names = ['../../../../../../tmp/ex10-slipped', '/tmp/ex10-slipped', 'a/../../x', 'C:\\x', '..\\x', 'x'.repeat(4000), 'a\nb', '\u202egnp.js']
  for (const archive of [zip(names.map(name => ({ name, content: 'x' }))), tgz(names.flatMap(name => [pax({ path: name }), { name: 'x', content: 'x' }]))]) {
    const { lines, files } = await unpack(t, archive)
    t.strictSame(lines.map(line => line.name), [...names, undefined])
    t.strictSame(files, names.map((_, index) => `${index} x`))
  }
  t.throws(() => lstatSync('/tmp/ex10-slipped'), { code: 'ENOENT' })
  t.strictSame((await unpack(t, zip([{ name: 'a\0b', content: 'x' }]))).lines[0]?.name, 'a\0b', 'also behind a NUL')
})

t.test('links, devices and what else is no file and no folder refuse the whole', async t => {
  const bad: Record<string, Entry> = {
    'a link': { name: 'x', mode: 0o120777, type: '2', linkTo: '/etc/passwd', content: '/etc/passwd' },
    'a device': { name: 'x', mode: 0o20666, type: '3' },
    'a disk': { name: 'x', mode: 0o60666, type: '4' },
    'a FIFO': { name: 'x', mode: 0o10666, type: '6' },
    'a socket': { name: 'x', mode: 0o140666, type: '9' }
  }
  await assertRefused(t, Object.fromEntries(Object.entries(bad).map(([what, entry]) => [`${what} in a zip`, zip([...GOOD, entry])])), 'ARCHIVE_LINK')
  await assertRefused(t, Object.fromEntries(Object.entries(bad).map(([what, { content, ...entry }]) => [`${what} in a tar`, tgz([...GOOD, entry])])), 'ARCHIVE_LINK')
  await assertRefused(t, { 'a second name': tgz([...GOOD, { name: 'x', type: '1', linkTo: 'manifest.json' }]), 'a sparse file': tgz([...GOOD, { name: 'x', type: 'S' }]), 'an old sparse file of pax': tgz([pax({ 'GNU.sparse.size': '1', 'GNU.sparse.numblocks': '1', 'GNU.sparse.map': '0,1' }), { name: 'x', content: 'x' }]) }, 'ARCHIVE_LINK')
})

t.test('what unpacks to too much is refused while it is unpacked, whatever it says of itself', { timeout: 120_000 }, async t => {
  const zeros = Buffer.alloc(10 * MIB)
  const many = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `${index}`, method: 0 }))
  await assertRefused(t, {
    'a zip of one bomb': zip([{ name: 'x', content: zeros }]),
    'a tar of one bomb': tgz([{ name: 'x', content: zeros }]),
    'a zip of many small bombs': zip(Array.from({ length: 50 }, (_, index) => ({ name: `${index}`, content: zeros.subarray(0, MIB) }))),
    'a bomb behind the end of a tar': gzipSync(Buffer.concat([tar(GOOD), Buffer.alloc(200 * MIB)])),
    '20,001 entries': zip(many(20_001)),
    '20,001 folders': tgz(Array.from({ length: 20_001 }, (_, index) => ({ name: `${index}/`, type: '5' }))),
    '70,000 entries that say that they are three': zip(many(70_000), { count: 3 })
  }, 'ARCHIVE_TOO_LARGE')
  const { lines } = await unpack(t, zip(many(20_000)))
  t.equal(lines.length, 20_001, 'control: 20,000 entries pass')
  t.equal((await unpack(t, zip([{ name: 'x', content: zeros.subarray(0, MIB) }]))).lines.length, 2, 'control: a MiB that packs well is no bomb')
})

t.test('what is damaged, cut off or packed in an unusual way refuses the whole', async t => {
  const whole = zip(GOOD)
  const packed = tgz([...GOOD, { name: 'b', content: Buffer.alloc(5000, 'b') }])
  const plain = tar(GOOD)
  const broken = (at: number) => gzipSync(Buffer.concat([plain.subarray(0, at), Buffer.from('?'), plain.subarray(at + 1)]))
  await assertRefused(t, {
    'a zip without its end': whole.subarray(0, -10),
    'a zip that lies about a checksum': zip([{ name: 'x', content: 'x', crc: 1 }]),
    'a zip that says that a file is smaller': zip([{ name: 'x', content: 'xxxx', size: 1 }]),
    'a zip that says that a file is larger': zip([{ name: 'x', content: 'x', size: 1000 }]),
    'two names for one entry': zip([{ name: 'x', localName: 'y', content: 'x' }]),
    'an encrypted zip': zip([{ name: 'x', content: 'x', flags: 0x801 }]),
    'bzip2 in a zip': zip([{ name: 'x', content: 'x', method: 12 }]),
    'an unknown method': zip([{ name: 'x', content: 'x', method: 99 }]),
    'a tar.gz cut off': packed.subarray(0, -5),
    'a tar.gz cut off in the middle': packed.subarray(0, 40),
    'a tar whose second head is damaged': broken(1024 + 3),
    'a tar cut off within a file': gzipSync(tar([{ name: 'x', content: Buffer.alloc(3000) }]).subarray(0, 2000)),
    'a large header of pax': gzipSync(Buffer.concat([tarEntry({ name: 'x', type: 'x', content: Buffer.alloc(50 * MIB) }), tar(GOOD)])),
    'a negative size': tgz([...GOOD, { name: 'x', size: -1 }]),
    'something behind the tar.gz': Buffer.concat([packed, Buffer.from('something')]),
    'a gzip of something else': gzipSync('something else'.repeat(100))
  }, 'BAD_ARCHIVE')
})

t.test('what is no archive is told apart from a damaged one', async t => {
  await assertRefused(t, {
    nothing: Buffer.alloc(0),
    text: Buffer.from('{}'),
    'a tar that is not packed': tar(GOOD),
    bzip2: Buffer.from('BZh91AY&SY'),
    'a CRX of version 2': crx(zip(GOOD), { version: 2 }),
    'a CRX whose header is longer than it': crx(zip(GOOD), { length: 1_000_000 }),
    'a CRX whose header is 4 GiB': crx(zip(GOOD), { length: 0xffffffff }),
    'a CRX whose header ends elsewhere': crx(zip(GOOD), { length: 3 }),
    'a CRX with a tar.gz': crx(tgz(GOOD)),
    'a CRX cut off': crx(zip(GOOD)).subarray(0, 10),
    'a program that is a zip, too': Buffer.concat([Buffer.from('#!/bin/sh\n'), zip(GOOD)])
  }, 'ARCHIVE_UNKNOWN')
})

t.test('an archive that is cut at any place, or has a wrong bit anywhere, is refused or gives what it says; nothing else happens', { timeout: 240_000 }, async t => {
  const home = makeHome(t)
  const outcomes = new Map<string, number>()
  for (const [what, archive] of Object.entries({ zip: zip(GOOD), tar: tgz(GOOD), crx: crx(zip(GOOD)) })) {
    for (let round = 0; round < 6; round++) {
      const at = Math.floor(Math.random() * archive.length)
      const flipped = Buffer.from(archive)
      flipped[at]! ^= 1 << (round % 8)
      for (const [how, bytes] of Object.entries({ cut: archive.subarray(0, at), flipped })) {
        const { lines } = await unpack(t, bytes, home)
        const outcome = lines.at(-1)?.error ?? 'done'
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        t.match(outcome, /^(?:done|BAD_ARCHIVE|ARCHIVE_UNKNOWN|ARCHIVE_LINK|ARCHIVE_TOO_LARGE)$/, `${what} ${how} at ${at}: ${outcome}`)
        if (how === 'cut') t.not(outcome, 'done', 'nothing that is cut off is whole')
      }
    }
  }
  t.comment(Object.fromEntries(outcomes))
})
