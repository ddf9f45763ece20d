import t from 'tap'
import { checkFilePath } from '#domain/code/file-path.ts'
import { GOOD_PATHS, HOSTILE_PATHS } from '#support/inputs/hostile-paths.ts'

const shown = (path: string) => JSON.stringify(path.length > 60 ? `${path.slice(0, 60)}… (${Buffer.byteLength(path)} bytes)` : path)

t.test('a path that could lead out of the extension, or names no file, is refused with a code that says why', async t => {
  t.ok(HOSTILE_PATHS.length >= 100, `${HOSTILE_PATHS.length} paths`)
  for (const [path, name] of HOSTILE_PATHS) {
    t.throws(() => checkFilePath(path), { name: 'Ex10Error', code: `EX10_${name}`, statusCode: 400 }, shown(path))
  }
})

t.test('a path that only looks odd names the file that it says', async t => {
  for (const [path, written] of GOOD_PATHS) t.equal(checkFilePath(path), written, shown(path))
})

t.test('a refusal repeats no more of the path than a person can read', async t => {
  try {
    checkFilePath('../' + 'a'.repeat(10_000))
    t.fail('not refused')
  } catch (error) {
    t.ok(String((error as { details?: { filePath?: string } }).details?.filePath).length <= 200)
  }
})

t.test('a path of 4096 bytes passes and one of 4097 does not, counted in bytes and not in letters', async t => {
  const path = (bytes: number) => 'é/'.repeat(1365) + 'a'.repeat(bytes - 3 * 1365)
  t.equal(Buffer.byteLength(path(4096)), 4096)
  t.equal(checkFilePath(path(4096)), path(4096))
  t.throws(() => checkFilePath(path(4097)), { code: 'EX10_PATH_TOO_LONG' })
})
