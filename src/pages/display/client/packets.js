// Packets from the session are hostile: its own processes may send them. This file checks every packet and rebuilds it from
// plain numbers, booleans and text, with only the fields that the page needs. No string from the session reaches the stock
// client unchecked: the client would put it into the page as HTML (window titles) or into a URL.

const MAX_SIDE = 16384
const WINDOW_TYPES = new Set(['NORMAL', 'DIALOG', 'UTILITY', 'MENU', 'DROPDOWN', 'DROPDOWN_MENU', 'POPUP_MENU', 'TOOLTIP', 'COMBO', 'SPLASH', 'DND', 'NOTIFICATION'])
const ENCODINGS = new Set(['rgb32', 'jpeg', 'png', 'webp'])
const utf8 = new TextDecoder()

class Refused extends Error {}

function integer (value, min = -0x80000000, max = 0x7fffffff) {
  if (!Number.isInteger(value) || value < min || value > max) throw new Refused('number')
  return value
}

const windowId = value => integer(value, 1)
const position = value => integer(value, -MAX_SIDE, MAX_SIDE)
const side = value => integer(value, 1, MAX_SIDE)
const finite = value => Number.isFinite(value) ? value : 0

/** Bytes as a Uint8Array, from either form of the client's decoder. */
function bytes (value) {
  if (value instanceof Uint8Array) return value
  if (typeof value !== 'string') throw new Refused('bytes')
  return Uint8Array.from(value, character => character.charCodeAt(0))
}

/** UTF-8 bytes as a short line of text, without control characters and characters that change the direction. */
function line (value) {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) return ''
  return utf8.decode(bytes(value).subarray(0, 1024)).replace(/[\p{Cc}\p{Cf}]/gu, ' ').slice(0, 200)
}

const has = (object, key) => object !== null && typeof object === 'object' && Object.hasOwn(object, key)

/** The window properties that the page uses. */
function metadata (from) {
  const to = {}
  if (has(from, 'title')) to.title = line(from.title)
  if (has(from, 'role')) to.role = line(from.role)
  if (has(from, 'has-alpha')) to.alpha = Boolean(from['has-alpha'])
  if (has(from, 'modal')) to.modal = Boolean(from.modal)
  if (has(from, 'transient-for')) to.parent = integer(from['transient-for'], 0)
  const type = has(from, 'window-type') && from['window-type'][0]
  if (WINDOW_TYPES.has(type)) to.type = type
  return to
}

const geometry = p => [windowId(p[1]), position(p[2]), position(p[3]), side(p[4]), side(p[5])]

/** Modifier names and their keys: the client compares them and sends the names back. */
function modifierKeys (from) {
  const to = {}
  if (from === null || typeof from !== 'object') return to
  for (const name of ['shift', 'lock', 'control', 'mod1', 'mod2', 'mod3', 'mod4', 'mod5']) {
    if (!has(from, name) || !Array.isArray(from[name])) continue
    to[name] = from[name].slice(0, 16).map(keys => Array.isArray(keys) ? keys.slice(0, 8).map(key => typeof key === 'number' ? key : line(key)) : [])
  }
  return to
}

function hello (from) {
  if (from === null || typeof from !== 'object') throw new Refused('hello')
  return {
    version: /^\d+(\.\d+){0,3}/.exec(line(from.version))?.[0] ?? '0.0',
    modifier_keycodes: modifierKeys(from.modifier_keycodes),
    readonly: Boolean(from.readonly),
    'wheel.precise': Boolean(from['wheel.precise']),
    'connection-data': Boolean(from['connection-data'])
  }
}

function scrolls (value) {
  if (!Array.isArray(value)) throw new Refused('scroll')
  return value.map(item => Array.from({ length: 6 }, (_, index) => integer(item[index], -MAX_SIDE, MAX_SIDE)))
}

function draw (p) {
  const encoding = p[6]
  if (encoding !== 'scroll' && !ENCODINGS.has(encoding)) throw new Refused('encoding')
  const options = {}
  for (const key of ['flush', 'lz4']) if (has(p[10], key)) options[key] = integer(p[10][key], 0)
  const data = encoding === 'scroll' ? scrolls(p[7]) : bytes(p[7])
  return [...geometry(p), encoding, data, integer(p[8]), integer(p[9] ?? 0), options]
}

function cursor (p) {
  if (p.length < 10 || p[1] !== 'png') return [''] // the plain arrow
  const size = value => integer(value, 0, 512)
  const image = bytes(p[9])
  if (image.length > 0x8000) throw new Refused('cursor')
  return ['png', 0, 0, size(p[4]), size(p[5]), size(p[6]), size(p[7]), 0, String.fromCharCode(...image)]
}

/** Text for the person's clipboard; null when the packet holds none. */
function clipboardToken (p) {
  const isText = ['UTF8_STRING', 'TEXT', 'STRING', 'text/plain', 'text/plain;charset=utf-8'].includes(p[3])
  const isData = isText && p[6] === 'bytes' && (typeof p[7] === 'string' || p[7] instanceof Uint8Array)
  return [p[1] === 'CLIPBOARD' && isData ? utf8.decode(bytes(p[7])) : null]
}

const shapes = new Map(Object.entries({
  open: () => [],
  close: () => [],
  error: () => [],
  disconnect: () => [],
  challenge: () => [],
  'startup-complete': () => [],
  hello: p => [hello(p[1])],
  ping: p => [finite(p[1]), finite(p[2]), line(p[3])],
  ping_echo: p => p.slice(1, 6).map(finite),
  'new-window': p => [...geometry(p), metadata(p[6])],
  'new-override-redirect': p => [...geometry(p), metadata(p[6])],
  'window-metadata': p => [windowId(p[1]), metadata(p[2])],
  'lost-window': p => [windowId(p[1])],
  'raise-window': p => [windowId(p[1])],
  'window-resized': p => [windowId(p[1]), side(p[2]), side(p[3])],
  'window-move-resize': geometry,
  'configure-override-redirect': geometry,
  'initiate-moveresize': p => [windowId(p[1]), position(p[2]), position(p[3]), integer(p[4])],
  eos: p => [windowId(p[1])],
  draw,
  cursor,
  'clipboard-token': clipboardToken,
  'clipboard-request': p => [integer(p[1], 0), p[2] === 'CLIPBOARD' ? 'CLIPBOARD' : 'PRIMARY']
}))

/** The packet, rebuilt from checked parts; null when the page does not use it or refuses it. */
export function checkPacket (packet) {
  const shape = Array.isArray(packet) && shapes.get(packet[0])
  if (!shape) return null
  try {
    return [packet[0], ...shape(packet)]
  } catch (error) {
    if (!(error instanceof Refused) && !(error instanceof TypeError)) throw error
    console.warn(`display: refused a ${packet[0]} packet`)
    return null
  }
}
