import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { readSecret } from '#system/access/secret-file.ts'

const read = (file: string) => readSecret('EX10_OIDC_CLIENT_SECRET_FILE', file, 'have the provider make a new secret')

t.test('a secret is read from a file that only root can read; any other stops the start in one line', async t => {
  const folder = t.testdir({})
  const file = `${folder}/secret`
  writeFileSync(file, 'sesame\n', { mode: 0o600 })
  t.equal(read(file), 'sesame')
  const refused = (path: string, why: RegExp) => t.throws(() => read(path), { name: 'StartRefused', message: new RegExp(`^EX10_OIDC_CLIENT_SECRET_FILE=${path} cannot be used: ${why.source}[^\\n]*$`) })
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(file, mode)
    refused(file, /users other than root/)
  }
  chmodSync(file, 0o600)
  chownSync(file, 1234, 0)
  refused(file, /users other than root/)
  writeFileSync(`${folder}/empty`, ' \n', { mode: 0o600 })
  refused(`${folder}/empty`, /it is empty/)
  mkdirSync(`${folder}/folder`, { mode: 0o700 })
  refused(`${folder}/folder`, /EISDIR/)
  refused(`${folder}/missing`, /ENOENT/)
})
