import { openPortKey, portKey, SERVER, type Noun, type Thing } from '#domain/machine/audit.ts'
import { portsOf } from '#domain/machine/slots.ts'
import { textOf } from './files.ts'
import { isOurUid, type Place } from './place.ts'

const LISTEN = '0A'
const CONNECTED = ['01', '08'] // ESTABLISHED, CLOSE_WAIT

/** Listeners of a uid of the range, on any address, and the server's connections to slots. */
export function sockets (place: Place): Noun {
  return {
    noun: 'sockets',
    async observe () {
      const tables = await Promise.all(['tcp', 'tcp6'].map(async file => await textOf(`/proc/net/${file}`) ?? ''))
      const rows = tables.flatMap(table => table.trimEnd().split('\n').slice(1).map(toRow))
      const served = new Set(rows.filter(({ state }) => state === LISTEN).map(({ from }) => from))
      return rows.flatMap(row => toThings(place, row, served))
    },
    implied: ({ slot, account }) => portsOf(slot).map(port => listener(port, account.uid))
  }
}

function listener (port: number, uid: number) {
  return { kind: 'listener', name: `${port} of uid ${uid}` }
}

/** A line of proc_net_tcp(5). */
function toRow (line: string) {
  const [, local = '', remote = '', state = '', , , , user] = line.trim().split(/\s+/)
  return { from: portOf(local), to: portOf(remote), state, uid: Number(user) }
}

/** `served` are the ports with a listener: a connection from one of them was accepted there, and does not lead to a slot. */
function toThings (place: Place, { from, to, state, uid }: ReturnType<typeof toRow>, served: Set<number>): Thing[] {
  if (state === LISTEN && isOurUid(place, uid)) return [{ ...listener(from, uid), owner: uid }]
  const isToSlot = uid === 0 && !served.has(from) && place.portRanges.some(([first, last]) => to >= first && to <= last)
  return isToSlot && CONNECTED.includes(state) ? [{ kind: 'connection', name: `${from} to ${to}`, owner: portKey(to) }] : []
}

function portOf (address: string): number {
  return parseInt(address.split(':')[1] ?? '', 16)
}

/** The ports that the firewall opens to sessions, and one entry for its rules. The firewall's own watch closes ports that should not be open. */
export function openPorts ({ firewall }: Place): Noun {
  const rules = { kind: 'firewall', name: 'rules' }
  const toFinding = (key: string) => ({ kind: 'open port', name: key })
  return {
    noun: 'firewall',
    async observe () {
      const { own, isLoaded } = await firewall.read()
      return isLoaded ? [{ ...rules, owner: SERVER }, ...[...own].map(key => ({ ...toFinding(key), owner: key }))] : []
    },
    implied: ({ slot, account }) => [rules, ...portsOf(slot).map(port => toFinding(openPortKey(account.uid, port)))]
  }
}
