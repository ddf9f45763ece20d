import type { Static } from '@sinclair/typebox'
import type { SessionEvent as Schema } from '#schemas/event.ts'
import { eventually, type Server } from './server.ts'

export type SessionEvent = Static<typeof Schema>

/** What has happened to a session. */
export async function pastEvents (server: Server, id: string): Promise<SessionEvent[]> {
  const answer = await fetch(`${server.url}/sessions/${id}/events?follow=false`, { headers: server.headers ?? {} })
  if (!answer.ok) throw new Error(`no events: ${answer.status} ${await answer.text()}`)
  return (await answer.text()).split('\n').filter(Boolean).map(line => JSON.parse(line) as SessionEvent)
}

/** Waits until a new event is like `wanted`, and returns it. `after` are the events that are not new. */
export async function nextEvent (server: Server, id: string, wanted: Partial<SessionEvent>, after: SessionEvent[] = [], ms = 30_000): Promise<SessionEvent> {
  return eventually(`the event ${JSON.stringify(wanted)}`, async () => {
    const news = (await pastEvents(server, id)).slice(after.length)
    return news.find(event => Object.entries(wanted).every(([key, value]) => event[key as keyof SessionEvent] === value))
  }, ms)
}
