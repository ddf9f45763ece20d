import storage from './storage.ts'
import storeLink from './store-link.ts'

/** What outlives requests, sessions and servers. */
export default [storeLink, storage]
