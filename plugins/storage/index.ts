import storage from './storage.ts'

/** What outlives requests, sessions and servers. */
export default [storage]
