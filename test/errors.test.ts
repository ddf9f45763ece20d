import { STATUS_CODES } from 'node:http'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { Ex10Error, failure, isPathError, shownAs, type ErrorName } from '#errors.ts'

const names = [...readFileSync(new URL('../src/errors.ts', import.meta.url), 'utf8').matchAll(/^ {2}([A-Z_]+): \[\d/gm)].map(match => match[1] as ErrorName)

t.test('every error has a code, a status that HTTP knows, and a sentence for a person', async t => {
  t.ok(names.length > 25, `${names.length} errors`)
  for (const name of names) {
    const error = failure(name)
    t.ok(error instanceof Ex10Error && error instanceof Error)
    t.equal(error.code, `EX10_${name}`)
    t.ok(STATUS_CODES[error.statusCode] || error.statusCode === 499, `${name}: ${error.statusCode}`)
    t.match(error.message, /^[A-Z].{8,}[^.]$/, name)
    t.notMatch(error.message, /\/(var|home|root|usr|tmp)\//, `${name} tells nothing of the machine`)
  }
})

t.test('what an error is about can be said beside it', async t => {
  const cause = new Error('inner')
  const error = failure('NO_SLOT', { message: 'Full', details: { slots: 1 }, retryAfterSeconds: 10, cause })
  t.match(error, { message: 'Full', details: { slots: 1 }, retryAfterSeconds: 10, statusCode: 503 })
  t.equal(error.cause, cause)
})

t.test('where trying again helps, an error says when: after too much, always', async t => {
  for (const name of names) {
    const { statusCode, retryAfterSeconds } = failure(name)
    if (statusCode === 429) t.ok(retryAfterSeconds! > 0, name)
  }
  t.strictSame([failure('NO_SLOT').retryAfterSeconds, failure('BUSY').retryAfterSeconds, failure('FIREWALL').retryAfterSeconds], [10, 1, undefined])
  t.equal(failure('TOO_MANY_REQUESTS', { retryAfterSeconds: 42 }).retryAfterSeconds, 42, 'who knows better says so')
  t.match(shownAs(Object.assign(new Error('full'), { code: 'ENOSPC' }), 'INTERNAL'), { code: 'EX10_NO_DISK', retryAfterSeconds: 10 })
})

t.test('of a session\'s answers only the names of path errors are believed', async t => {
  for (const name of names) t.equal(isPathError(name), name.startsWith('PATH_'), name)
  for (const name of ['PATH_', 'PATH_X', 'toString', '__proto__', 'EX10_PATH_EMPTY', '']) t.notOk(isPathError(name), name)
})
