import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { eventually, isRunning } from '#support/servers/server.ts'

/** A proxy to start: the port that it listens on, on 127.0.0.1, and where its upstream listens. */
export interface Proxied { port: number, upstream: number }

/**
 * Starts a real nginx with TLS and the lines that its manual gives for WebSockets; all else is nginx's default, buffering
 * too. It offers the upstream below `from`, and asks it below `to`.
 */
export async function startNginx (t: Test, { port, upstream, from = '/', to = '' }: Proxied & { from?: string, to?: string }): Promise<void> {
  const folder = folderFor(t, 'nginx')
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
    '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')], { stdio: 'ignore' })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ')
  await start(t, ['nginx', '-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')], port, join(folder, 'nginx.conf'), `
user root; daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off; ${temporary}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${folder}/certificate.pem; ssl_certificate_key ${folder}/key.pem;
    location ${from} {
      proxy_pass http://127.0.0.1:${upstream}${to};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $http_connection;
    }
  }
}
`)
}

/** Starts a real haproxy, with the time limits that its manual begins with. */
export async function startHaproxy (t: Test, { port, upstream }: Proxied): Promise<void> {
  const file = join(folderFor(t, 'haproxy'), 'haproxy.cfg')
  await start(t, ['haproxy', '-db', '-f', file], port, file, `
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
  timeout tunnel 1h
  option forwardfor
frontend in
  bind 127.0.0.1:${port}
  default_backend ex10
backend ex10
  server ex10 127.0.0.1:${upstream}
`)
}

function folderFor (t: Test, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `ex10-${name}-`))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function start (t: Test, [command = '', ...args]: string[], port: number, file: string, configuration: string): Promise<void> {
  writeFileSync(file, configuration)
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', chunk => { said += chunk })
  t.teardown(async () => {
    if (!isRunning(child)) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  await eventually(`${command} listens`, async () => {
    if (!isRunning(child)) throw new Error(`${command} ended: ${said}`)
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return true
    } catch {
      return false
    } finally {
      socket.destroy()
    }
  })
}
