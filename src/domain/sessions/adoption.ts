import type { Account, Session, SessionFacts, Slot } from '#domain/session.ts'

/** The parts of the machine that an earlier server's session is checked against. */
export interface Remains {
  sandboxes: { watch (facts: SessionFacts): { isAlive (): boolean } }
  linuxUsers: { exists (account: Account): Promise<boolean> }
  ports: { isSlot (slot: Slot): boolean }
  templates: { has (name: string): boolean, get (name: string): { devServer: string } }
}

/** The reason why this server cannot continue the session; undefined when it can. */
export async function whyNotAdopted ({ sandboxes, linuxUsers, ports, templates }: Remains, session: Session): Promise<string | undefined> {
  if (session.state !== 'ready') return `it was ${session.state}`
  if (!sandboxes.watch(session).isAlive()) return 'its sandbox is dead'
  if (!await linuxUsers.exists(session.account)) return 'its account is gone, or outside the range'
  if (!ports.isSlot(session.slot)) return 'its ports belong to no slot now'
  if (!templates.has(session.template)) return 'its template is gone'
  if (session.devServer !== templates.get(session.template).devServer) return 'its dev server is of another version'
}
