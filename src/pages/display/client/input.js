// Pointer and keyboard input, where the stock client does not fit the page.

const screenDiv = document.getElementById('screen')
const pasteboard = document.getElementById('pasteboard')

/** Routes the person's input to the client. */
export function routeInput (client) {
  client.getMouse = pointerAt(client)
  ignoreBubbledEvents(client)
  keepFocus()
  typeText(client)
  // the remote browser has its own menu, zoom and drag
  addEventListener('contextmenu', event => event.preventDefault())
  addEventListener('dragstart', event => event.preventDefault())
  screenDiv.addEventListener('wheel', event => event.preventDefault(), { passive: false })
}

/** Converts page coordinates to those of the remote screen. They differ while the picture is scaled to another viewer's size. */
function pointerAt (client) {
  return event => {
    const scale = client.scale ?? 1
    return { x: event.clientX / scale, y: event.clientY / scale, button: Math.max(0, event.which) }
  }
}

// The stock client listens on each window and again on the screen around them, and would send every click, wheel step and
// movement twice. Outside a window there is nothing to click.
function ignoreBubbledEvents (client) {
  client.on_mousedown = client.on_mouseup = client.on_mousemove = client.on_mousescroll = () => {}
}

// Clicks on the picture are cancelled, so they move no focus: set it, for key, paste and input-method events.
function keepFocus () {
  const take = () => {
    window.focus()
    pasteboard.focus({ preventScroll: true })
  }
  addEventListener('pointerdown', event => { if (screenDiv.contains(event.target)) take() }, true)
  addEventListener('focus', take)
  take()
}

// The remote keyboard has one layout. Other text is pasted: text from input methods, on-screen keyboards and emoji pickers,
// which comes without key events, and keys of other layouts.
function typeText (client) {
  const held = new Set()
  addEventListener('keydown', event => {
    if (!isForeign(event)) return
    take(event)
    held.add(event.code)
    pasteText(client, event.key)
  }, true)
  addEventListener('keyup', event => { if (held.delete(event.code)) take(event) }, true)
  pasteboard.addEventListener('input', event => {
    if (event.isComposing) return
    const text = pasteboard.value
    pasteboard.value = ''
    if (text !== '') pasteText(client, text)
  })
  pasteboard.addEventListener('compositionend', () => pasteboard.dispatchEvent(new Event('input')))
}

function take (event) {
  event.preventDefault()
  event.stopImmediatePropagation()
}

/** One character that is not ASCII, typed without a command key. */
function isForeign ({ key, ctrlKey, metaKey, isComposing }) {
  return !isComposing && !ctrlKey && !metaKey && [...key].length === 1 && key > '~'
}

function pasteText (client, text) {
  if (client.topwindow === null) return
  const key = (name, pressed, modifiers, code) => {
    client.send(['key-action', client.topwindow, name, pressed, modifiers, code, name, code, 0])
  }
  client.shareText(text)
  key('Control_L', true, [], 17)
  key('v', true, ['control'], 86)
  key('v', false, ['control'], 86)
  key('Control_L', false, ['control'], 17)
}
