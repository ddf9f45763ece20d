import { join } from 'node:path'

/** The folder where set-up has installed npm and corepack. */
export const TOOLS = join(import.meta.dirname, 'node_modules')

/** Set-up's downloads: sessions can read them, not write them. */
export const SHARED_NPM_CACHE = '/run/ex10/npm-cache'

/** Settings of npm in a session, where a person reads its output in a log. */
const NPM = {
  audit: 'false',
  fund: 'false',
  prefer_offline: 'true',
  update_notifier: 'false',
  logs_max: '0',
  progress: 'false',
  loglevel: 'http',
  // an unreachable registry is reported within seconds
  fetch_retries: '2',
  fetch_retry_mintimeout: '1000',
  fetch_retry_maxtimeout: '4000'
}

/** The environment of package managers, builds and all that they start: this program's own, and `extra`. */
export function environment (root, extra = {}) {
  const { EX10_NPM_REGISTRY: registry, PATH, ...own } = process.env
  return {
    ...own,
    ...Object.fromEntries(Object.entries(NPM).map(([key, value]) => [`npm_config_${key}`, value])),
    ...registry && { npm_config_registry: registry, COREPACK_NPM_REGISTRY: registry },
    COREPACK_ENABLE_DOWNLOAD_PROMPT: '0',
    COREPACK_DEFAULT_TO_LATEST: '0', // when the project names no version, corepack takes its built-in one
    NODE_USE_SYSTEM_CA: '1', // the operator's own registry may have a certificate that only this machine trusts
    NO_COLOR: '1',
    INIT_CWD: root,
    PATH: `${join(TOOLS, '.bin')}:${PATH}`,
    ...extra
  }
}
