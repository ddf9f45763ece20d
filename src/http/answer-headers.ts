/** The header with the id of a request, in its answer and, from a trusted proxy, in the request. */
export const REQUEST_ID = 'x-request-id'

/** The headers of every answer; a file that browsers may cache replaces `cache-control` and `vary`. */
export function answerHeaders (requestId: string) {
  return { [REQUEST_ID]: requestId, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', vary: 'authorization, cookie' }
}
