/** News of the server's work on one session: its creation, from the request on, or its teardown. */
export type WorkNews = { sessionId: string, work: 'creation' | 'teardown' } & (
  | { type: 'begun', reason?: string }
  /** A step is over: `queue` or a step of a creation, an undo of a teardown. `code` is the error's, when it failed. */
  | { type: 'step', step: string, ms: number, code?: string | undefined }
  /** `code` is the error's, when the work failed. `ms` is absent for a creation that failed. */
  | { type: 'over', ms?: number, code?: string | undefined }
)
