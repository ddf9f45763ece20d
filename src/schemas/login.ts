import { Type } from '@sinclair/typebox'
import { Done } from './common.ts'

export const LoginView = Type.Object({
  id: Type.String({ description: 'Names the login' }),
  current: Type.Boolean({ description: 'Whether this login sent the request' }),
  address: Type.String({ description: 'Address from which it was opened' }),
  openedAt: Type.String({ format: 'date-time' }),
  seenAt: Type.String({ format: 'date-time', description: 'Time of the last use, to the minute' }),
  keyId: Type.Optional(Type.String({ description: 'Id of the API key that opened it; absent for a provider login' }))
}, { title: 'Login', description: 'A browser in which you are logged in' })

export const LoginList = Type.Object({ logins: Type.Array(LoginView) }, { title: 'LoginList', description: 'Your logins, the last used first' })

export const LogInRequest = Type.Object({ key: Type.String({ maxLength: 256, description: 'An API key' }) }, { additionalProperties: false, title: 'LogInRequest', description: 'The key that opens the login' })

export const LoggedOut = Type.Object({
  ...Done.properties,
  url: Type.Optional(Type.String({ description: 'The address at which the browser logs out at the provider, too. The provider sends it back' }))
}, { title: 'LoggedOut', description: 'The login has ended' })

export const LogoutNotice = Type.Object({ logout_token: Type.String({ description: 'Signed by the provider' }) }, { title: 'LogoutNotice', description: 'What a provider sends when a session there has ended' })

export const Ended = Type.Object({ ended: Type.Integer({ description: 'Number of ended logins' }) }, { title: 'EndedLogins', description: 'How many logins have ended' })
