import { createSession, endSession, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'

const PUSHES = 10

/**
 * Milliseconds that a push of 8 KiB takes to be answered, ten pushes one after the other, as often as `times`: to a server that
 * keeps versions, and in turn to one that keeps none.
 */
export async function pushesWithHistory (keeping: Server, without: Server, times: number): Promise<{ keeping: number[], without: number[] }> {
  const [first, second] = [await createSession(keeping), await createSession(without)]
  const figures = { keeping: [] as number[], without: [] as number[] }
  for (let round = -1; round < times; round++) { // the first one opens connections
    const [a, b] = round % 2 === 0 ? [await burst(keeping, first, round), await burst(without, second, round)] : [await burst(without, second, round), await burst(keeping, first, round)]
    if (round < 0) continue
    figures.keeping.push(round % 2 === 0 ? a : b)
    figures.without.push(round % 2 === 0 ? b : a)
  }
  await endSession(keeping, first.id)
  await endSession(without, second.id)
  return figures
}

async function burst (server: Server, { id }: CreatedSession, round: number): Promise<number> {
  await pushCode(server, { sessionId: id, filePath: 'notes.txt', content: `${round}`, wait: true })
  const start = performance.now()
  for (let push = 0; push < PUSHES; push++) {
    await (await pushCode(server, { sessionId: id, filePath: 'notes.txt', content: `${round} ${push}`.padEnd(8192, 'x') })).json()
  }
  return (performance.now() - start) / PUSHES
}
