import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import { xAuthority } from '#domain/programs/x-authority.ts'

/** The fields of the file's one entry, as Xau(3) lays them out: a family, then four strings with their lengths. */
function parse (bytes: Buffer): { family: number, fields: Buffer[], rest: number } {
  const fields: Buffer[] = []
  let at = 2
  while (fields.length < 4) {
    const length = bytes.readUInt16BE(at)
    fields.push(bytes.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return { family: bytes.readUInt16BE(0), fields, rest: bytes.length - at }
}

t.test('the file holds one entry, for the display of any host, with a cookie of 128 bits', async t => {
  const { family, fields: [address, number, name, cookie], rest } = parse(xAuthority(10))
  t.equal(family, 0xffff)
  t.strictSame([address?.toString(), number?.toString(), name?.toString()], ['', '10', 'MIT-MAGIC-COOKIE-1'])
  t.equal(cookie?.length, 16)
  t.equal(rest, 0)
})

t.test('no two sessions have the same cookie', async t => {
  const cookies = Array.from({ length: 100 }, () => parse(xAuthority(10)).fields[3]!.toString('hex'))
  t.equal(new Set(cookies).size, 100)
})

t.test('xauth reads it as it was meant', async t => {
  const folder = mkdtempSync(`${tmpdir()}/ex10-xauthority-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  const bytes = xAuthority(10)
  writeFileSync(`${folder}/Xauthority`, bytes)
  const [, display, name, cookie] = /^(\S+)\s+(\S+)\s+(\S+)$/m.exec(execFileSync('xauth', ['-n', '-f', `${folder}/Xauthority`, 'list'], { encoding: 'utf8' })) ?? []
  t.match(display, /:10$/)
  t.strictSame([name, cookie], ['MIT-MAGIC-COOKIE-1', parse(bytes).fields[3]!.toString('hex')])
})
