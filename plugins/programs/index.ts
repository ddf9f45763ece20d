import browser from './browser.ts'
import devServer from './dev-server.ts'
import xpra from './xpra.ts'

/** What runs inside a session. Each plugin comes after those that it needs. */
export default [xpra, browser, devServer]
