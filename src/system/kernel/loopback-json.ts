/**
 * Requests JSON from a program of a session, on its port of 127.0.0.1. The answer is untrusted: more than `maxBytes` is an
 * error, no redirect is followed, and the caller checks its form.
 */
export async function loopbackJson (port: number, path: string, options: { method?: string, maxBytes: number, signal: AbortSignal }): Promise<unknown> {
  const { method = 'GET', maxBytes, signal } = options
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, signal, redirect: 'error' })
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString())
}
