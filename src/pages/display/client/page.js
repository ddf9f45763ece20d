// Starts the stock Xpra client without the features that this page does not use, and replaces them by our own.
import { canAct, socketUrl } from './about.js'
import { joinClipboards } from './clipboard.js'
import { watchConnection } from './connection.js'
import { warnOfEnd } from './expiry.js'
import { routeInput } from './input.js'
import { checkPacket } from './packets.js'
import { showProblems } from './problems.js'
import { placeWindows } from './windows.js'

const status = document.getElementById('status')

function show (text, look) {
  status.textContent = text
  status.dataset.look = look
}

function silenceStockClient () {
  Utilities.clog = Utilities.cdebug = Utilities.log = Utilities.debug = () => {}
  Utilities.getAudioContext = () => null
  globalThis.MediaSourceUtil = { getMediaSourceClass: () => null }
  // The client's functions for features that the page lacks: sound, its menu's window list, files, the start of programs, the server's log.
  const stock = XpraClient.prototype
  for (const name of ['init_audio', 'close_audio', 'send_log', 'send_file', 'save_file', 'print_document', 'start_command', 'send_info_request', 'process_xdg_menu', '_check_echo_timeout', '_check_server_echo']) {
    stock[name] = () => {}
  }
  globalThis.removeWindowListItem = globalThis.addWindowListItem = () => {}
}

function createClient () {
  const client = new XpraClient('screen')
  globalThis.client = client // the stock client refers to itself by this name
  client.sharing = true
  // Despite its name it throws no viewer out: a server that shares requires "steal" of every second viewer.
  client.steal = true
  client.reconnect = false
  client.remote_logging = false
  client.open_url = false
  client.file_transfer = false
  client.printing = false
  client.audio_enabled = false
  client.clipboard_enabled = canAct
  client.clipboard_targets = ['UTF8_STRING', 'TEXT', 'STRING', 'text/plain']
  client.supported_encodings = client.supported_encodings.filter(name => ['jpeg', 'png', 'rgb', 'rgb32', 'webp'].includes(name))
  client.scale = 1
  client.init()
  return client
}

/** Requests only these features of the server, and keeps the page's address from the session. */
function limitCapabilities (client) {
  const base = client._make_hello_base
  client._make_hello_base = function () {
    base.call(this)
    this._update_capabilities({ argv: ['ex10'], digest: [], 'salt-digest': [], zlib: false, 'xdg-menu-update': false, 'setting-change': false, username: '' })
  }
  const full = client._make_hello
  client._make_hello = function () {
    full.call(this)
    this._update_capabilities({
      'metadata.supported': ['title', 'role', 'transient-for', 'window-type', 'has-alpha', 'override-redirect', 'modal'],
      'encodings.window-icon': [],
      raw_window_icons: false,
      'encoding.rgb24zlib': false,
      'encoding.rgb_zlib': false,
      'sound.receive': false,
      'sound.server_driven': false,
      'sound.decoders': [],
      'clipboard.selections': ['CLIPBOARD'],
      notifications: false,
      'notifications.close': false,
      'notifications.actions': false,
      bell: false,
      system_tray: false
    })
  }
}

function connect (client, connection) {
  const { packet_handlers: stock } = client
  const keep = ['open', 'startup-complete', 'hello', 'ping', 'ping_echo', 'eos', 'draw', 'cursor']
  client.packet_handlers = Object.fromEntries(keep.map(name => [name, stock[name]]))
  for (const name of ['close', 'error', 'disconnect', 'challenge']) client.packet_handlers[name] = connection.lost
  client.callback_close = connection.lost
  client._route_packet = packet => {
    const checked = checkPacket(packet)
    if (!checked) return
    if (!['open', 'close', 'error'].includes(checked[0])) connection.heard()
    client.packet_handlers[checked[0]]?.(checked, client)
  }
}

/** Opens the WebSocket below the session's own path. Without workers: an opaque origin cannot load one. */
function open (client) {
  client.host = socketUrl.hostname
  client.port = socketUrl.port
  client.ssl = socketUrl.protocol === 'https:'
  client.path = socketUrl.pathname + socketUrl.search
  client._do_connect(false)
}

function showPicture (client) {
  let hasPicture = false
  client.packet_handlers.draw = (packet, context) => {
    if (!hasPicture) show('', 'none')
    hasPicture = true
    XpraClient.prototype._process_draw(packet, context)
  }
  return (title, count) => {
    document.title = title ? `${title} – Ex10` : 'Ex10 session'
    if (count > 0) return
    hasPicture = false
    show('Waiting for the browser…', 'cover')
  }
}

function pauseWhenHidden (client) {
  document.addEventListener('visibilitychange', () => {
    if (!client.connected) return
    const ids = Object.keys(client.id_to_window).map(Number)
    client.send([document.hidden ? 'suspend' : 'resume', true, ids])
    if (document.hidden) return
    client.redraw_windows()
    client.request_refresh(-1)
  })
}

/** Drops all packets that a viewer with the mode `view` may not send: the server would close the connection. */
function onlyLook (client) {
  const sent = new Set(['hello', 'ping', 'ping_echo', 'buffer-refresh', 'suspend', 'resume', 'map-window'])
  const { send } = client
  client.send = packet => { if (sent.has(packet[0])) send.call(client, packet) }
}

function start () {
  silenceStockClient()
  document.body.classList.toggle('looking', !canAct)
  if (!canAct) XpraClient.prototype.init_keyboard = () => {}
  const client = createClient()
  const connection = watchConnection(client, show)
  limitCapabilities(client)
  connect(client, connection)
  client.on_connect = () => {
    show('Waiting for the browser…', 'cover')
    connection.established()
  }
  placeWindows(client, showPicture(client))
  if (canAct) {
    routeInput(client)
    joinClipboards(client)
  } else {
    onlyLook(client)
  }
  pauseWhenHidden(client)
  warnOfEnd(client)
  showProblems()
  open(client)
  if (client.protocol?.websocket) connection.follow(client.protocol.websocket)
}

start()
