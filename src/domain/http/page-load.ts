/** Tells whether a person has opened the address in a browser: then the answer is a page, where they can log in or read the error. */
export function isPageLoad ({ method, headers }: { method: string, headers: Record<string, unknown> }): boolean {
  return method === 'GET' && headers['sec-fetch-dest'] === 'document'
}
