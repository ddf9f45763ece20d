import type { FirewallOptions } from '#system/firewall/backend.ts'

/** The first uid of a session, and all that a backend's rules are made from: several resolvers, and opened nets of both families. */
export const SESSION_UID = 70_001
export const firewallOptions = (instance: string): FirewallOptions => ({
  instance,
  uidMin: 70_000,
  uidMax: 70_999,
  portRanges: [[8000, 8500], [9000, 9500], [10000, 10500]],
  resolvers4: ['203.0.113.53', '198.51.100.53', '10.255.255.53'],
  resolvers6: ['2001:db8::53', '2001:db8:1::53'],
  nets4: ['10.20.0.0/16', '192.168.7.9/32'],
  nets6: ['fd12:3456::/32']
})
