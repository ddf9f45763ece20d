// Shows the session's display in the person's own browser.
import { spawn } from 'node:child_process'

/** The program that opens an address in the default browser; undefined without a desktop. */
function opener () {
  if (process.platform === 'darwin') return ['open']
  if (process.platform === 'win32') return ['cmd', '/c', 'start', '""']
  return process.env.DISPLAY || process.env.WAYLAND_DISPLAY ? ['xdg-open'] : undefined
}

/** Opens the address, if there is a desktop. Calls `failed` when it could not be opened. */
export function openDisplay (url, failed) {
  const [command, ...words] = opener() ?? []
  if (!command) return
  const child = spawn(command, [...words, url], { detached: true, stdio: 'ignore' })
  child.once('error', failed)
  child.once('exit', code => { if (code) failed() })
  child.unref()
}
