import audit from './audit.ts'
import firewall from './firewall.ts'
import homes from './homes.ts'
import instance from './instance.ts'
import linuxUsers from './linux-users.ts'
import networkUsage from './network-usage.ts'
import places from './places.ts'
import ports from './ports.ts'
import registry from './registry.ts'
import reservations from './reservations.ts'
import resolvers from './resolvers.ts'
import sandboxes from './sandboxes.ts'
import services from './services.ts'

/** The machine's part of a session: a place, ports, an account, rules, a sandbox. Each plugin comes after those that it needs. */
export default [instance, registry, audit, ports, places, linuxUsers, homes, reservations, resolvers, firewall, networkUsage, sandboxes, services]
