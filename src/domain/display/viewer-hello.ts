import { decode, NotBencoded, type Bencoded } from './bencode.ts'
import { ProtocolViolation } from './websocket-frames.ts'

/**
 * The keys of a display page's hello to Xpra. Other keys are orders: `request` stops the server or throws out viewers,
 * `command_request` runs commands, `lock` and `window-filters` hold for all viewers.
 */
const KEYS: ReadonlySet<string> = new Set([
  'version', 'platform', 'platform.name', 'platform.processor', 'platform.platform', 'session-type', 'session-type.full', 'namespace',
  'share', 'steal', 'client_type', 'username', 'display', 'uuid', 'argv', 'digest', 'salt-digest', 'websocket.multi-packet',
  'zlib', 'lzo', 'lz4', 'lz4.js.version', 'compression_level', 'rencode', 'bencode', 'yaml', 'connection-data', 'ping-echo-sourceid',
  'open-url', 'xdg-menu-update', 'setting-change', 'notify-startup-complete', 'auto_refresh_delay', 'generic-rgb-encodings', 'raw_window_icons',
  'encodings', 'encodings.core', 'encodings.rgb_formats', 'encodings.window-icon', 'encodings.cursor', 'metadata.supported',
  'windows', 'window.raise', 'window.initiate-moveresize', 'server-window-resize', 'screen-resize-bigger', 'randr_notify',
  'desktop_size', 'desktop_mode_size', 'screen_sizes', 'dpi', 'cursors', 'named_cursors', 'bell', 'system_tray',
  'keyboard', 'xkbmap_layout', 'xkbmap_keycodes', 'xkbmap_print', 'xkbmap_query',
  'clipboard', 'clipboard.want_targets', 'clipboard.greedy', 'clipboard.selections', 'clipboard.preferred-targets', 'clipboard.contents-slice-fix',
  'notifications', 'notifications.close', 'notifications.actions', 'sound.receive', 'sound.send', 'sound.decoders', 'sound.server_driven', 'sound.bundle-metadata',
  'file-transfer', 'printing', 'file-size-limit'
])
/** Reading a longer packet would delay other requests noticeably. */
const MOST_BYTES = 65_536
/** The prefix of the keys that choose the encoding of this viewer's own pictures. */
const PICTURES = 'encoding.'

/** Checks a hello. @throws {ProtocolViolation} when it has keys that a display page does not send, or can be read in more than one way */
export function checkHello (packet: Buffer): void {
  const [, says, ...more] = readPacket(packet)
  if (!(says instanceof Map) || more.length > 0) throw new ProtocolViolation(1003, 'a hello holds a dictionary')
  for (const key of says.keys()) {
    if (!KEYS.has(key) && !key.startsWith(PICTURES)) throw new ProtocolViolation(1008, 'a viewer may not send this key in its hello')
  }
}

/** Reads a packet as a list. @throws {ProtocolViolation} when it is too long or cannot be read in exactly one way */
export function readPacket (packet: Buffer): Bencoded[] {
  if (packet.length > MOST_BYTES) throw new ProtocolViolation(1009, 'a packet is too long')
  try {
    const list = decode(packet)
    if (Array.isArray(list)) return list
  } catch (error) {
    if (!(error instanceof NotBencoded)) throw error
  }
  throw new ProtocolViolation(1003, 'a packet is a list')
}

/**
 * The hello that the server sends to Xpra for a viewer with the mode `view`, in place of the viewer's own. It has no
 * keyboard, clipboard and size, which hold for all viewers. It has no `uuid`: Xpra lets only viewers with a `uuid` hold the
 * pointer, and throws out a second viewer with an equal one. Only pictures are compressed, because the server reads the
 * packets (`WindowPlaces`).
 */
export const LOOKING_HELLO: Bencoded[] = ['hello', new Map<string, Bencoded>([
  ['version', '3.1.3'], ['client_type', 'HTML5'], ['share', 1], ['steal', 1], ['namespace', 1], ['websocket.multi-packet', 1],
  ['bencode', 1], ['rencode', 0], ['yaml', 0], ['zlib', 0], ['lzo', 0], ['lz4', 1], ['compression_level', 0], ['ping-echo-sourceid', 1],
  ['windows', 1], ['window.raise', 1], ['server-window-resize', 1], ['notify-startup-complete', 1], ['dpi', 96], ['cursors', 1], ['encodings.cursor', ['png']],
  ['keyboard', 0], ['clipboard', 0], ['notifications', 0], ['bell', 0], ['system_tray', 0], ['printing', 0], ['file-transfer', 0],
  ['metadata.supported', ['title', 'role', 'transient-for', 'window-type', 'has-alpha', 'override-redirect', 'modal']],
  ['encodings', ['jpeg', 'png', 'rgb', 'rgb32', 'webp']], ['encodings.core', ['jpeg', 'png', 'rgb', 'rgb32', 'webp']], ['encodings.rgb_formats', ['RGBX', 'RGBA']],
  ['generic-rgb-encodings', 1], ['auto_refresh_delay', 500], ['encoding.generic', 1], ['encoding.flush', 1], ['encoding.transparency', 1], ['encoding.client_options', 1],
  ['encoding.csc_atoms', 1], ['encoding.scrolling', 1], ['encoding.eos', 1], ['encoding.rgb_lz4', 1], ['encoding.full_csc_modes', new Map([['webp', ['BGRX', 'BGRA']]])]
])]
