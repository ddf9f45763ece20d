// Floating windows draw their own title bars. When a person drags one, the browser asks its window manager, which is this
// page, to move the window.

const MOVE = 8

/** Moves a window with the pointer until the button is released. Resizing by a border is not supported. */
export function startMove (client, win, direction) {
  if (direction !== MOVE) return
  let last = null
  client.mouse_grabbed = true
  const move = event => {
    if (last !== null) {
      win.x += Math.round((event.clientX - last.x) / client.scale)
      win.y = Math.max(0, win.y + Math.round((event.clientY - last.y) / client.scale))
      win.updateCSSGeometry()
    }
    last = { x: event.clientX, y: event.clientY }
  }
  const end = event => {
    removeEventListener('pointermove', move, true)
    removeEventListener('pointerup', end, true)
    removeEventListener('pointercancel', end, true)
    client.mouse_grabbed = false
    client._window_geometry_changed(win)
  }
  addEventListener('pointermove', move, true)
  addEventListener('pointerup', end, true)
  addEventListener('pointercancel', end, true)
}
