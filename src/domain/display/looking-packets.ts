import type { Bencoded } from './bencode.ts'
import { ProtocolViolation } from './websocket-frames.ts'

/**
 * The packets of a viewer that may only look: its greeting, its pings, what it has drawn and what it wants drawn. A known
 * packet name is not enough: Xpra stores unknown fields and acts on options. Each packet is therefore rebuilt from its
 * required, checked fields.
 */
type Field = (value: Bencoded | undefined) => boolean

const MOST_IDS = 1000
const MOST_LETTERS = 64

const integer: Field = value => Number.isSafeInteger(value)
const text: Field = value => typeof value === 'string' && value.length <= MOST_LETTERS
const ids: Field = value => Array.isArray(value) && value.length <= MOST_IDS && value.every(integer)

const FIELDS: Record<string, Field[]> = {
  ping: [integer],
  ping_echo: [integer, integer, integer, integer, integer, text], // the server's time, three load averages, the latency, and the id of the connection
  'damage-sequence': [integer, integer, integer, integer, integer], // a picture's number, window, width and height, and the time that drawing took
  'buffer-refresh': [integer, integer, integer], // a window (-1: all), an unused number, and a quality
  suspend: [integer, ids],
  resume: [integer, ids]
}

export const LOOKING_PACKETS: ReadonlySet<string> = new Set(['hello', 'map-window', ...Object.keys(FIELDS)])

/** The packet, rebuilt. @throws {ProtocolViolation} when a required field is missing or wrong */
export function plainPacket ([name, ...values]: Bencoded[]): Bencoded[] {
  const fields = FIELDS[String(name)] ?? []
  if (!fields.every((isGood, i) => isGood(values[i]))) throw new ProtocolViolation(1008, 'a field of this packet is missing or wrong')
  return [name!, ...values.slice(0, fields.length)]
}
