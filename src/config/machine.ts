import { Type } from '@sinclair/typebox'
import { readNets } from '#domain/machine/nets.ts'
import { portRanges } from '#domain/machine/slots.ts'
import type { http } from './http.ts'
import { BadSetting, list, port, withoutPassword, type Values } from './setting.ts'

/** The parts of the machine that the server uses, and the limits of a session. */
export const machine = {
  dataDir: Type.String({
    default: '/var/lib/ex10',
    pattern: '^(/[^\\0\\n,/]+)+$', // one spelling: servers and commands compare it
    hasNoSlashAtEnd: true,
    wanted: 'an absolute path without commas, such as /var/lib/ex10',
    description: 'Root-owned folder for the registry, homes, logs and template stores'
  }),
  store: Type.String({
    default: 'sqlite:',
    pattern: '^(memory:?|sqlite:?|(postgres|postgresql|redis|rediss)://[^\\s]+)$',
    wanted: 'memory:, sqlite:, or an address such as postgres://ex10@db.example.org/ex10 or rediss://cache.example.org',
    holdsPassword: true,
    description: 'Where keys, logins, links, the audit log, statistics and what sessions leave are kept: `memory:`, `sqlite:`, `postgres://…`, `redis://…` or `rediss://…`'
  }),
  storePasswordFile: Type.String({
    default: '',
    pattern: '^(/.+)?$',
    wanted: 'an absolute path, such as /etc/ex10/store-password',
    description: 'File with the password of that store, which only root may be able to read; empty: `EX10_STORE` has it, or the store needs none'
  }),
  instance: Type.String({
    default: 'ex10',
    pattern: '^ex10[a-z0-9_]{0,12}$',
    wanted: '"ex10" and up to 12 small letters, digits and underscores behind it, such as ex10_b',
    description: 'Name of this server on the machine: its firewall rules, cgroups and claim'
  }),
  portBase: port({
    minimum: 2024,
    maximum: 64000,
    default: 9000,
    description: 'Display port of slot 0; dev servers are 1000 below, DevTools 1000 above'
  }),
  slots: Type.Integer({
    minimum: 1,
    maximum: 1000,
    default: 501,
    description: 'How many sessions can live at once; more than 501, up to 1000, need another `EX10_PORT_BASE`'
  }),
  uidMin: Type.Integer({ minimum: 1000, maximum: 4_000_000_000, default: 65600, description: 'First uid of the sessions\' range' }),
  uidMax: Type.Integer({ minimum: 1000, maximum: 4_000_000_000, default: 99999, description: 'Last uid of the sessions\' range' }),
  firewall: Type.Union([Type.Literal('auto'), Type.Literal('nftables'), Type.Literal('iptables')], {
    default: 'auto',
    description: 'Firewall backend: nftables, iptables, or the first of them that the host has (auto)'
  }),
  allowNets: list({ description: 'Private nets, as CIDR ranges, whose web servers (TCP 80 and 443) sessions may reach; never this machine' }),
  homeSize: Type.Integer({ minimum: 64, default: 2048, description: 'Size of a session\'s home, MiB' }),
  sessionMemory: Type.Integer({ minimum: 256, default: 2048, description: 'Memory limit of a session, MiB' }),
  sessionPids: Type.Integer({ minimum: 128, default: 1024, description: 'Limit of processes and threads of a session' }),
  sessionCpu: Type.Number({ minimum: 0.1, default: 2, description: 'CPU limit of a session, cores' }),
  strict: Type.Boolean({
    default: false,
    description: 'Refuse to start where the kernel cannot limit a session\'s home, memory, processes and CPU'
  })
}

export function checkMachine (config: Values<typeof machine & typeof http>): void {
  if (config.uidMax - config.uidMin < config.slots) {
    throw new BadSetting(`EX10_UID_MAX=${config.uidMax} cannot be used: the range from EX10_UID_MIN=${config.uidMin} must hold more uids than EX10_SLOTS=${config.slots}`)
  }
  checkStore(config)
  checkSlots(config)
  checkPort(config)
  checkNets(config)
  if (/^\/(tmp|run|proc|dev|sys|usr|etc|var\/tmp|var\/run)(\/|$)|\/\.\.?(\/|$)/.test(config.dataDir)) {
    throw new BadSetting(`EX10_DATA_DIR=${config.dataDir} cannot be used: sessions have their own /tmp, /var/tmp, /run, /etc, /dev and /proc, and see all of /usr; give a folder elsewhere, such as /var/lib/ex10`)
  }
}

/** Refuses an address that is none, without showing it: it may hold a password. */
function checkStore ({ store, storePasswordFile }: Values<typeof machine>): void {
  const refuse = (why: string) => new BadSetting(`EX10_STORE=${withoutPassword(store)} cannot be used: ${why}; give ${machine.store.wanted}`)
  const isRemote = store.includes('//')
  if (isRemote && !URL.canParse(store)) throw refuse('it is no address')
  if (isRemote && store.startsWith('redis') && !/^\/?\d*$/.test(new URL(store).pathname)) throw refuse('the path of a Redis is the number of a database')
  if (!isRemote && storePasswordFile !== '') throw new BadSetting(`EX10_STORE_PASSWORD_FILE=${storePasswordFile} cannot be used: EX10_STORE=${store} has no server`)
}

/** Refuses too many slots. The default port base allows 501, whose ports are documented; another one allows as many as its ports do. */
function checkSlots ({ portBase, slots }: Values<typeof machine>): void {
  if (slots > machine.slots.default && portBase === machine.portBase.default) {
    throw new BadSetting(`EX10_SLOTS=${slots} cannot be used: from EX10_PORT_BASE=${portBase} there are ${machine.slots.default}; give another EX10_PORT_BASE, such as 20000`)
  }
  const last = portRanges(portBase, slots).at(-1)![1]
  if (last > 65535) throw new BadSetting(`EX10_PORT_BASE=${portBase} cannot be used: the last of EX10_SLOTS=${slots} would need port ${last}; give a lower one`)
}

function checkNets ({ allowNets }: Values<typeof machine>): void {
  try {
    readNets(allowNets)
  } catch (cause) {
    throw new BadSetting(`EX10_ALLOW_NETS=${allowNets} cannot be used: ${(cause as Error).message}`, { cause })
  }
}

/** Refuses a server port that one of the slots would need. */
function checkPort ({ port, portBase, slots }: Values<typeof machine & typeof http>): void {
  const range = portRanges(portBase, slots).find(([first, last]) => port >= first && port <= last)
  if (range) throw new BadSetting(`EX10_PORT=${port} cannot be used: sessions have the ports ${range.join('-')}; give another one, or another EX10_PORT_BASE`)
}
