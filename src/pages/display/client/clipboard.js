// Text to and from the remote clipboard. An opaque origin has no permission to read the clipboard, so pasting uses paste
// events (Ctrl+V, Shift+Insert) and copying uses copy commands, which work for a few seconds after the person's last input.

const toWire = text => unescape(encodeURIComponent(text))

// The remote browser reads a new clipboard a moment after it has changed; a paste before that finds it empty. So keys wait
// after a change, and a change waits after the keys that paste the content before.
const SETTLE = 150

function orderKeysAndClipboard (client) {
  const { send } = client
  const queue = []
  let busy = false
  let last = ''
  const next = () => {
    busy = false
    while (queue.length > 0) {
      if (queue[0][0] !== last && last !== '' && (last === 'clipboard-token' || queue[0][0] === 'clipboard-token')) {
        last = ''
        busy = true
        return setTimeout(next, SETTLE)
      }
      const packet = queue.shift()
      last = packet[0]
      if (last === 'clipboard-token') client.clipboard_buffer = packet[7] // the answer to requests of the session
      send.call(client, packet)
    }
  }
  client.send = packet => {
    if (packet[0] !== 'key-action' && packet[0] !== 'clipboard-token') return send.call(client, packet)
    queue.push(packet)
    if (!busy) next()
  }
}

/** Joins the person's clipboard and the session's. */
export function joinClipboards (client) {
  let pending = null
  orderKeysAndClipboard(client)

  client.shareText = text => client.send_clipboard_token(toWire(text))

  const copyPending = () => {
    if (pending !== null && document.execCommand('copy')) pending = null
  }

  document.addEventListener('paste', event => {
    event.preventDefault()
    const text = event.clipboardData?.getData('text/plain')
    if (text) client.shareText(text)
  })
  document.addEventListener('copy', event => {
    // This event also fires at Ctrl+C itself, before the remote browser has answered: then there is nothing to copy yet.
    event.preventDefault()
    if (pending !== null) event.clipboardData.setData('text/plain', pending)
  })
  document.addEventListener('cut', event => event.preventDefault())
  for (const gesture of ['pointerup', 'keyup']) addEventListener(gesture, copyPending)

  client.packet_handlers['clipboard-token'] = ([, text]) => {
    if (text === null) return
    client.clipboard_buffer = toWire(text)
    pending = text
    copyPending()
  }
  client.packet_handlers['clipboard-request'] = ([, id, selection]) => {
    client.send_clipboard_string(id, selection, selection === 'CLIPBOARD' ? client.clipboard_buffer : '', 'UTF8_STRING')
  }
  // the stock client would ask for the permission at every key and click
  client._poll_clipboard = () => {}
}
