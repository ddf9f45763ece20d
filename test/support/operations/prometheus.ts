import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from '#support/servers/free-port.ts'
import { eventually, TEST_DATA, type Server } from '#support/servers/server.ts'

/** Debian's Prometheus, where set-up for tests has unpacked it. */
const FOLDER = `${TEST_DATA}/prometheus`

/** A running Prometheus. */
export interface Prometheus {
  /** The values that the expression has now, by the labels of each. @throws when it is no expression of PromQL */
  query (expression: string): Promise<{ labels: Record<string, string>, value: number }[]>
}

/** Starts a Prometheus that reads the server's metrics every second, with this token, until the test ends. */
export async function startPrometheus (t: Test, { url }: Server, tokenFile: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'ex10-prometheus-'))
  const target = new URL(url).host
  const job = { job_name: 'ex10', scrape_interval: '1s', authorization: { credentials_file: tokenFile }, static_configs: [{ targets: [target] }] }
  writeFileSync(`${folder}/prometheus.yaml`, JSON.stringify({ scrape_configs: [job] })) // YAML is a superset of JSON
  const address = `127.0.0.1:${await freePort()}`
  const args = [`--config.file=${folder}/prometheus.yaml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=${address}`, '--log.level=error']
  const child = spawn(`${FOLDER}/prometheus`, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  const ask = async (path: string) => (await fetch(`http://${address}${path}`)).json() as Promise<any>
  await eventually('a Prometheus that answers', () => fetch(`http://${address}/-/ready`).then(({ ok }) => ok, () => false), 30_000)
  return {
    async query (expression) {
      const { status, error, data } = await ask(`/api/v1/query?${new URLSearchParams({ query: expression })}`)
      if (status !== 'success') throw new Error(`${expression}: ${error}`)
      return data.result.map(({ metric, value }: { metric: Record<string, string>, value: [number, string] }) => ({ labels: metric, value: Number(value[1]) }))
    }
  }
}

/** Has promtool check its input, or files; resolves with what it finds wrong, which is nothing for good ones. */
export function promtool (args: string[], input = ''): string {
  try {
    execFileSync(`${FOLDER}/promtool`, args, { input, encoding: 'utf8', stdio: 'pipe' })
    return ''
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string, stderr: string }
    return stdout + stderr
  }
}
