// Places the session's windows. Browser windows fill the page. Dialogs and pop-ups float at their own size. Menus, bubbles
// and tooltips (override-redirect) stay at the browser's place. The page draws no frames and no title bars.
import { canAct } from './about.js'
import { startMove } from './moves.js'

const FULL = { maximized: true }
const switcher = document.getElementById('windows')
const screenDiv = document.getElementById('screen')

/** Replaces the stock client's window handling. Calls `onChange(title, count)` when windows come, go or are renamed. */
export function placeWindows (client, onChange) {
  const changed = () => {
    fit(client)
    listWindows(client)
    onChange(titleOf(client), ordinary(client).length)
  }
  const handle = (name, handler) => { client.packet_handlers[name] = packet => handler(...packet.slice(1)) }
  const onWindow = (name, handler) => handle(name, (id, ...rest) => {
    const win = client.id_to_window[id]
    if (win) handler(win, ...rest)
  })

  handle('new-window', (id, ...rest) => { addWindow(client, false, id, ...rest); changed() })
  handle('new-override-redirect', (id, ...rest) => { addWindow(client, true, id, ...rest); changed() })
  handle('lost-window', id => { loseWindow(client, id); changed() })
  onWindow('window-metadata', (win, metadata) => { Object.assign(win.about, metadata); win.update_zindex(); changed() })
  onWindow('raise-window', win => { client._window_set_focus(win); changed() })
  onWindow('window-resized', (win, w, h) => { win.move_resize(win.x, win.y, w, h); fit(client) })
  onWindow('window-move-resize', (win, x, y, w, h) => { follow(client, win, x, y, w, h); fit(client) })
  onWindow('configure-override-redirect', (win, x, y, w, h) => win.move_resize(x, y, w, h))
  onWindow('initiate-moveresize', (win, x, y, direction) => { if (canAct && !win.about.full) startMove(client, win, direction) })
  overrideWindow()
  overrideClient(client)
}

function overrideClient (client) {
  const setFocus = client._window_set_focus
  client._window_set_focus = win => { setFocus.call(client, win); listWindows(client) }
  client._window_geometry_changed = win => sendGeometry(client, 'configure-window', win)
  const resized = client._screen_resized
  client._screen_resized = (event, context) => { resized.call(client, event, context); fit(client) }
  // a lost connection keeps the last picture
  client.close_windows = () => {}
}

function overrideWindow () {
  const stock = XpraWindow.prototype
  stock.ensure_visible = () => true
  stock.set_spinner = () => {}
  stock.screen_resized = function () {
    if (this.override_redirect || !this.about) return
    place(this.client, this)
    this.handle_resized()
  }
  stock.update_zindex = function () {
    this.div.css('z-index', layer(this.client, this))
  }
  // A change of its size clears a canvas: keep the old picture until the new one arrives.
  const resizeCanvas = stock.updateCanvasGeometry
  stock.updateCanvasGeometry = function () {
    const sizeChanges = this.canvas.width !== this.w || this.canvas.height !== this.h
    resizeCanvas.call(this)
    if (!sizeChanges || !this.draw_canvas) return
    this.offscreen_canvas_ctx?.drawImage(this.draw_canvas, 0, 0)
    this.canvas_ctx.drawImage(this.draw_canvas, 0, 0)
  }
}

function addWindow (client, overrideRedirect, id, x, y, w, h, metadata) {
  if (id in client.id_to_window) loseWindow(client, id)
  const div = document.createElement('div')
  div.id = String(id)
  const canvas = document.createElement('canvas')
  canvas.width = w
  canvas.height = h
  div.append(canvas)
  screenDiv.append(div)
  // Without a window type the stock constructor builds no title bar, and so does not put the title into the page as HTML.
  const win = new XpraWindow(client, canvas, id, x, y, w, h, { 'has-alpha': metadata.alpha ? 1 : 0 }, overrideRedirect, false, {},
    client._window_geometry_changed, client._window_mouse_move, client._window_mouse_down, client._window_mouse_up,
    client._window_mouse_scroll, client._window_set_focus, client._window_closed)
  win.about = { title: '', ...metadata }
  // a drag that leaves the page or the window still belongs to the window where it began
  canvas.addEventListener('pointerdown', event => canvas.setPointerCapture(event.pointerId))
  client.id_to_window[id] = win
  win.update_zindex()
  if (overrideRedirect) return
  win.about.full = fillsPage(client, win)
  if (!win.about.full) win.div.addClass('floating')
  place(client, win)
  win.updateCSSGeometry()
  // mapping alone does not resize a window that another viewer shows, or does not report the size to that viewer
  sendGeometry(client, 'configure-window', win)
  sendGeometry(client, 'map-window', win)
  if (!canAct) client.request_refresh(id) // another viewer may have mapped it already
  client._window_set_focus(win)
}

function loseWindow (client, id) {
  const win = client.id_to_window[id]
  if (!win) return
  delete client.id_to_window[id]
  win.destroy()
  if (client.focus !== id) return
  client.focus = -1
  client.topwindow = null
  const next = ordinary(client).sort((a, b) => layer(client, b) - layer(client, a))[0]
  if (next) client._window_set_focus(next)
}

function sendGeometry (client, name, win) {
  const state = win.about.full ? FULL : {}
  const rest = name === 'map-window' ? [state] : [0, state]
  client.send([name, win.wid, win.x, win.y, win.w, win.h, client._get_client_properties(win), ...rest])
}

const ordinary = client => Object.values(client.id_to_window).filter(win => !win.override_redirect)

/** Browser and developer-tools windows fill the page; window.open() pop-ups and dialogs do not. */
function fillsPage (client, { about }) {
  const isDialog = about.modal || about.parent > 0 || (about.type && about.type !== 'NORMAL')
  return !isDialog && about.role !== 'pop-up'
}

/** Sets a window's place and size. In the mode `view`, windows keep the place and size that other viewers gave them. */
function place (client, win) {
  if (!canAct) return
  const [width, height] = client._get_desktop_size()
  if (win.about.full) {
    Object.assign(win, { x: 0, y: 0, w: width, h: height })
    return
  }
  win.w = Math.min(win.w, width)
  win.h = Math.min(win.h, height)
  const unplaced = win.x <= 0 && win.y <= 0
  win.x = unplaced ? Math.round((width - win.w) / 2) : clamp(win.x, width - win.w)
  win.y = unplaced ? Math.round((height - win.h) / 2) : clamp(win.y, height - win.h)
}

/** The window has changed its own size or place: keep a full one in the corner, and a floating one within the page. */
function follow (client, win, x, y, w, h) {
  if (win.about.full && canAct) return win.move_resize(0, 0, w, h)
  win.move_resize(x, y, w, h)
  place(client, win)
  if (win.x === x && win.y === y && win.w === w && win.h === h) return
  win.updateCSSGeometry()
  sendGeometry(client, 'configure-window', win)
}

const clamp = (value, max) => Math.max(0, Math.min(value, max))

/** Stacking order: menus on top, a dialog just above its parent, other windows by their last focus. */
function layer (client, win, depth = 0) {
  if (win.override_redirect) return 30000 + win.wid % 10000
  const parent = depth < 5 && client.id_to_window[win.about?.parent]
  if (parent && parent !== win) return layer(client, parent, depth + 1) + 1
  return 1000 + win.stacking_layer * 10
}

/** With several viewers, the last resize decides the size; the pages of the others scale the picture to fit. */
function fit (client) {
  const [width, height] = client._get_desktop_size()
  const full = ordinary(client).filter(win => win.about.full)
  const scale = Math.min(1, ...full.map(win => width / win.w), ...full.map(win => height / win.h))
  client.scale = scale
  screenDiv.style.transform = scale === 1 ? '' : `scale(${scale})`
}

const titleOf = client => client.id_to_window[client.focus]?.about.title ?? ''

/**
 * Shows buttons at the bottom while more than one window is open: the only way to reach a covered window, or to close one
 * without a title bar. Dialogs have buttons of their own.
 */
function listWindows (client) {
  const open = ordinary(client).filter(({ about }) => !about.modal && !(about.parent > 0))
  switcher.hidden = open.length < 2
  switcher.replaceChildren(...open.flatMap(win => {
    const title = win.about.title || 'Window'
    const choose = makeButton(title, title, () => client._window_set_focus(win))
    choose.setAttribute('aria-pressed', String(win.wid === client.focus))
    return canAct ? [choose, makeButton('×', `Close ${title}`, () => client.send(['close-window', win.wid]))] : [choose]
  }))
}

function makeButton (text, label, onClick) {
  const button = document.createElement('button')
  button.type = 'button'
  button.tabIndex = -1
  button.textContent = text
  button.title = label
  button.setAttribute('aria-label', label)
  // a click would move the keyboard focus away from the remote browser
  button.addEventListener('pointerdown', event => {
    event.preventDefault()
    onClick()
  })
  return button
}
