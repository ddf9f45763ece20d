import answerHeaders from './answer-headers.ts'
import bodies from './bodies.ts'
import clientGone from './client-gone.ts'
import connections from './connections.ts'
import errorReplies from './error-replies.ts'
import origins from './origins.ts'
import publicAddress from './public-address.ts'
import rateLimits from './rate-limits.ts'
import transport from './transport.ts'

/** Requests and error replies. Each plugin comes after those that it needs. */
export default [publicAddress, answerHeaders, errorReplies, connections, clientGone, origins, bodies, rateLimits, transport]
