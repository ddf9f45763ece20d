/** The part of the server that keeps a session's state, as far as snapshots use it. */
export interface StateKeeper {
  all (id: string): Promise<unknown>
  restore (id: string, copy: unknown): Promise<void>
  forget (id: string): Promise<void>
}

/** The server's keeper of states, if it has one. */
export function stateOf (app: object): StateKeeper | undefined {
  return (app as { state?: StateKeeper }).state
}
