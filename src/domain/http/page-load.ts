/** Whether a person has opened the address, and a page is to answer: they can log in, or read what is wrong. */
export function isPageLoad ({ method, headers }: { method: string, headers: Record<string, unknown> }): boolean {
  return method === 'GET' && headers['sec-fetch-dest'] === 'document'
}
