import pageTokens from './page-tokens.ts'
import pages from './pages.ts'
import sessionProxy from './session-proxy.ts'
import viewers from './viewers.ts'

/** Shows sessions to people. Each plugin comes after those that it needs. */
export default [sessionProxy, viewers, pageTokens, pages]
