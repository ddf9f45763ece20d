import { Agent } from 'node:http'
import { ask } from '#support/servers/client.ts'
import type { Server } from '#support/servers/server.ts'

/** What the figures are compared with: a request that no store is asked for. */
export const STATE_FLOOR = 'GET /me'

/** Milliseconds of requests to a session's state, one after the other: of a value of 1 KiB, and of all of it, 100 such values. */
export async function measureState (server: Server, id: string, times: number): Promise<[name: string, ms: number][]> {
  const agent = new Agent({ keepAlive: true })
  const state = `/sessions/${id}/state`
  const figures: [string, number][] = []
  const value = (round: number) => ({ round, text: 'x'.repeat(1000) })
  const measured = async (name: string, path: string, method = 'GET', body?: object) => {
    const start = performance.now()
    const { status } = await ask(server, path, { method, body, agent })
    if (status >= 300) throw new Error(`${method} ${path}: ${status}`)
    figures.push([name, performance.now() - start])
  }
  try {
    await ask(server, state, { method: 'PUT', agent, body: { bench: Object.fromEntries(Array.from({ length: 100 }, (_, key) => [`v${key}`, value(-1)])) } })
    for (let round = 0; round < times; round++) {
      await measured(STATE_FLOOR, '/me')
      await measured('state: GET a value', `${state}/bench/v${round % 100}`)
      await measured('state: PUT a value', `${state}/bench/v${round % 100}`, 'PUT', value(round))
      await measured('state: PATCH a value', `${state}/bench/v${round % 100}`, 'PATCH', { patched: round })
      await measured('state: GET all, 100 values', state)
    }
    return figures
  } finally {
    agent.destroy()
  }
}
