import { join } from 'node:path'

/** Where set-up has put npm and corepack. */
export const TOOLS = join(import.meta.dirname, 'node_modules')

/** What set-up has downloaded: everybody reads it, nobody writes it. */
export const SHARED_NPM_CACHE = '/run/ex10/npm-cache'

/** For npm as a program of the session, whose output a person reads in its log. */
const NPM = {
  audit: 'false',
  fund: 'false',
  prefer_offline: 'true',
  update_notifier: 'false',
  logs_max: '0',
  progress: 'false',
  loglevel: 'http',
  // a registry that is out of reach is said so within seconds
  fetch_retries: '2',
  fetch_retry_mintimeout: '1000',
  fetch_retry_maxtimeout: '4000'
}

/** The environment of package managers, builds and all that they start: this program's own, and what `extra` says. */
export function environment (root, extra = {}) {
  const { EX10_NPM_REGISTRY: registry, PATH, ...own } = process.env
  return {
    ...own,
    ...Object.fromEntries(Object.entries(NPM).map(([key, value]) => [`npm_config_${key}`, value])),
    ...registry && { npm_config_registry: registry, COREPACK_NPM_REGISTRY: registry },
    COREPACK_ENABLE_DOWNLOAD_PROMPT: '0',
    COREPACK_DEFAULT_TO_LATEST: '0', // where the project names no version, this corepack's own choice
    NODE_USE_SYSTEM_CA: '1', // a registry of the operator's own may have a certificate that only this machine knows
    NO_COLOR: '1',
    INIT_CWD: root,
    PATH: `${join(TOOLS, '.bin')}:${PATH}`,
    ...extra
  }
}
