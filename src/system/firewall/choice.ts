import { portRanges } from '#domain/machine/slots.ts'
import { readNets } from '#domain/machine/nets.ts'
import { CommandFailed, run } from '#system/kernel/run.ts'
import type { FirewallBackend } from './backend.ts'
import { iptables } from './iptables.ts'
import { nftables } from './nft.ts'
import { readResolvers, type Resolvers } from './resolvers.ts'

/** The settings that determine the rules. */
export interface FirewallSettings {
  firewall: 'auto' | FirewallBackend['name']
  instance: string
  uidMin: number
  uidMax: number
  portBase: number
  slots: number
  allowNets: string[]
}

/** The backend that the setting names or that the host has, with the rules for these settings and the machine's resolvers. */
export async function backendOf ({ firewall, instance, uidMin, uidMax, portBase, slots, allowNets }: FirewallSettings, resolvers?: Resolvers): Promise<FirewallBackend> {
  const { resolvers4, resolvers6 } = resolvers ?? await readResolvers()
  const options = { instance, uidMin, uidMax, portRanges: portRanges(portBase, slots), ...readNets(allowNets), resolvers4, resolvers6 }
  const name = firewall === 'auto' && await lacksNft() ? 'iptables' : firewall
  return name === 'iptables' ? iptables(options) : nftables(options)
}

/** nft's error message on a kernel without nf_tables. */
const NO_KERNEL_PART = /(Unable to initialize Netlink socket|cache initialization failed): (Protocol not supported|Operation not supported|Invalid argument)/

/** Whether nft or its part of the kernel is missing. An nft that exists and fails does not count: the operator must repair it. */
async function lacksNft (): Promise<boolean> {
  try {
    await run(['nft', 'list', 'tables'])
    return false
  } catch (error) {
    if (!(error instanceof CommandFailed)) return false
    return (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT' || NO_KERNEL_PART.test(error.stderr)
  }
}
