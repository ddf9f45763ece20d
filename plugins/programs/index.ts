import browser from './browser.ts'
import devServer from './dev-server.ts'
import programs from './programs.ts'

/** The programs inside a session. Each plugin comes after those that it needs. */
export default [programs, browser, devServer]
