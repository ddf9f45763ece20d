import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { enterOwnNetwork } from '#support/faults/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { backendOf } = await import('#system/firewall/choice.ts')

const SETTINGS = { firewall: 'auto', instance: 'ex10_test', uidMin: 70_000, uidMax: 70_999, portBase: 9000, slots: 501, allowNets: [] } as const
const nameOf = async (firewall: 'auto' | 'nftables' | 'iptables') => (await backendOf({ ...SETTINGS, allowNets: [], firewall })).name

t.test('by itself the firewall is nftables, and iptables only where there is no nft at all', async t => {
  t.strictSame([await nameOf('auto'), await nameOf('nftables'), await nameOf('iptables')], ['nftables', 'nftables', 'iptables'])

  const without = `${tmpdir()}/ex10-sbin-${process.pid}`
  t.teardown(() => rmSync(without, { recursive: true }))
  execFileSync('cp', ['-a', '/usr/sbin', without])
  rmSync(`${without}/nft`)
  execFileSync('mount', ['--bind', without, '/usr/sbin'])
  t.strictSame([await nameOf('auto'), await nameOf('nftables'), await nameOf('iptables')], ['iptables', 'nftables', 'iptables'], 'without nft; a backend that is named is kept to')
  execFileSync('umount', ['/usr/sbin'])
})
