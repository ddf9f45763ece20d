import credentials from './credentials.ts'
import displayUrls from './display-urls.ts'
import identity from './identity.ts'
import keys from './keys.ts'
import logins from './logins.ts'
import metricsToken from './metrics-token.ts'
import oidc from './oidc.ts'
import routeRules from './route-rules.ts'
import secrets from './secrets.ts'
import shares from './shares.ts'

/** Authentication and rights: keys, logins, links. Each plugin comes after those that it needs. */
export default [keys, secrets, logins, oidc, shares, credentials, displayUrls, metricsToken, routeRules, identity]
