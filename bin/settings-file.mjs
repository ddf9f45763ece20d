// The settings of the service: /etc/ex10/ex10.env, as systemd reads an EnvironmentFile.
import { existsSync, readFileSync } from 'node:fs'

/** The variables in the file; none when there is no file. Handles what people write there: comments, quotes around a value, blanks. */
export function readSettings (file) {
  if (!existsSync(file)) return {}
  const lines = readFileSync(file, 'utf8').split('\n').map(line => line.trim()).filter(line => line !== '' && !/^[#;]/.test(line))
  return Object.fromEntries(lines.map(line => /^([A-Za-z_]\w*)=(.*)$/.exec(line)).filter(Boolean).map(([, name, value]) => [name, unquote(value.trim())]))
}

function unquote (value) {
  const [, , inner] = /^(["'])(.*)\1$/.exec(value) ?? []
  return inner ?? value
}
