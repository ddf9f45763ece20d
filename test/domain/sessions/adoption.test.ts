import t from 'tap'
import { whyNotAdopted, type Remains } from '#domain/sessions/adoption.ts'
import type { Session } from '#domain/session.ts'
import { factsOf } from '#support/facts.ts'

const SESSION: Session = { ...factsOf('a'), devServer: 'plain', state: 'ready', version: 0 }

/** A machine on which all of the session is as it was, but for what is given. */
function remains (gone: { sandbox?: true, account?: true, slot?: true, template?: true, devServer?: string } = {}): Remains {
  return {
    sandboxes: { watch: () => ({ isAlive: () => !gone.sandbox }) },
    linuxUsers: { exists: async () => !gone.account },
    ports: { isSlot: () => !gone.slot },
    templates: { has: () => !gone.template, get: () => ({ devServer: gone.devServer ?? 'plain' }) }
  }
}

t.test('a ready session of which all is there is adopted', async t => {
  t.equal(await whyNotAdopted(remains(), SESSION), undefined)
})

t.test('a session that was half-made or half-ended, or of which something is gone, is not adopted, and the log says why', async t => {
  t.equal(await whyNotAdopted(remains(), { ...SESSION, state: 'creating' }), 'it was creating')
  t.equal(await whyNotAdopted(remains(), { ...SESSION, state: 'stopping' }), 'it was stopping')
  t.match(await whyNotAdopted(remains({ sandbox: true }), SESSION), 'sandbox')
  t.match(await whyNotAdopted(remains({ account: true }), SESSION), 'account')
  t.match(await whyNotAdopted(remains({ slot: true }), SESSION), 'ports')
  t.match(await whyNotAdopted(remains({ template: true }), SESSION), 'template')
  t.match(await whyNotAdopted(remains({ devServer: 'bundler' }), SESSION), 'dev server')
})
