import t from 'tap'
import { principalOf } from '#domain/access/claims.ts'

const rules = { userClaim: 'sub', roleClaim: '', userRole: '', adminRole: '' }

t.test('a claim names the user, if it can', async t => {
  t.strictSame(principalOf({ sub: 'anna' }, rules), { user: 'anna', role: 'user', scopes: ['create', 'view', 'push'] })
  t.equal(principalOf({ sub: 'x', 'https://example.com/name': 'anna' }, { ...rules, userClaim: 'https://example.com/name' }).user, 'anna', 'also one with dots in its name')
  for (const sub of ['auth0|507f1f77bcf86cd799439011', 'AAAA/bb+c=', 'https://login.example.com/id/00D/005', '{"x"}', 'a'.repeat(255)]) t.equal(principalOf({ sub }, rules).user, sub, 'as providers call people')
  for (const sub of [undefined, null, '', 7, ['anna'], { anna: 1 }, 'an na', 'anna\u0000', 'änna', 'a'.repeat(256), 'anna\n']) {
    t.throws(() => principalOf({ sub }, rules), { code: 'EX10_NOT_A_USER' }, JSON.stringify(sub))
  }
  for (const userClaim of ['constructor', '__proto__', 'toString.name', 'sub.length']) t.throws(() => principalOf({ sub: 'anna' }, { ...rules, userClaim }), { code: 'EX10_NOT_A_USER' }, userClaim)
})

t.test('an e-mail address names somebody only when the provider has verified it', async t => {
  const byMail = { ...rules, userClaim: 'email' }
  t.equal(principalOf({ sub: 'x', email: 'anna@example.org', email_verified: true }, byMail).user, 'anna@example.org')
  for (const verified of [undefined, false, 'true', 1]) t.throws(() => principalOf({ sub: 'x', email: 'anna@example.org', email_verified: verified }, byMail), { code: 'EX10_NOT_A_USER' })
})

t.test('a claim says who may use the server and who is an admin, as a word, a list, or deep inside', async t => {
  const roleOf = (claims: object, change = {}) => {
    try {
      return principalOf({ sub: 'anna', ...claims }, { ...rules, roleClaim: 'realm_access.roles', adminRole: 'admins', userRole: 'people', ...change }).role
    } catch {
      return 'refused'
    }
  }
  t.equal(roleOf({ realm_access: { roles: ['people', 'admins'] } }), 'admin')
  t.equal(roleOf({ realm_access: { roles: ['admins'] } }), 'admin', 'an admin is a user')
  t.equal(roleOf({ realm_access: { roles: ['people'] } }), 'user')
  t.equal(roleOf({ realm_access: { roles: 'admins' } }), 'admin')
  t.equal(roleOf({ 'realm_access.roles': ['admins'] }), 'admin')
  for (const roles of [['superadmins'], ['ADMINS'], 'admins people', [], [['admins']], { admins: true }, null]) t.equal(roleOf({ realm_access: { roles } }), 'refused', JSON.stringify(roles))
  for (const claims of [{}, { realm_access: null }, { realm_access: 'admins' }, { roles: ['admins'] }]) t.equal(roleOf(claims), 'refused')
  t.equal(roleOf({}, { userRole: '' }), 'user', 'whoever the provider logs in, where no role is asked for')
  t.equal(roleOf({ realm_access: { roles: [''] } }, { userRole: '', adminRole: '' }), 'user', 'and nobody is an admin where no role makes one')
})
