// The Debian packages that Ex10 needs, and their installation.
import { spawnSync } from 'node:child_process'

/** Packages that sessions need: the display with its picture codecs and web client, the browser, supervision, the firewall and the sandbox's tools. */
export const PACKAGES = ['xpra', 'python3-pil', 'python3-lz4', 'libjs-jquery', 'xvfb', 'chromium', 'chromium-sandbox', 'fonts-dejavu-core', 'fonts-liberation', 's6', 'nftables', 'iptables',
  'util-linux', 'mount', 'e2fsprogs', 'python3', 'passwd', 'procps', 'ca-certificates']

/** Further packages for tests: network namespaces, an independent reader of X authority files, clocks that can be set, a check of units, proxies, containers, Redis (without its service), and what PostgreSQL needs (unpack.mjs). */
const TEST_PACKAGES = ['iproute2', 'xauth', 'libfaketime', 'systemd', 'nginx-light', 'haproxy', 'openssl', 'podman', 'runc', 'netavark', 'debootstrap', 'tini', 'redis-tools', 'libpq5', 'libxml2']

// eslint-disable-next-line no-template-curly-in-string -- dpkg-query's own syntax
const FORMAT = '${db:Status-Status}'

/** Installs the missing packages. Returns an error line, or nothing on success. */
export function installPackages ({ test }) {
  const wanted = test ? [...PACKAGES, ...TEST_PACKAGES] : PACKAGES
  const missing = wanted.filter(name => !isInstalled(name))
  if (missing.length === 0) return
  console.log(`Installing Debian packages: ${missing.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' } // at this runlevel, packages start no services
  for (const args of [['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', ...missing]]) {
    const { status } = spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
    if (status !== 0) return `"apt-get ${args.join(' ')}" failed: see its message above; check the network and the package sources, then try again`
  }
}

function isInstalled (name) {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', FORMAT, name], { encoding: 'utf8' })
  return stdout === 'installed'
}
