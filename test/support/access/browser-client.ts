import type { Server } from '#support/servers/server.ts'

/** What a browser sends with what a page of ours asks. */
const OWN_PAGE = { 'sec-fetch-site': 'same-origin', 'user-agent': 'A browser', 'accept-language': 'en' }
/** What it sends when a person follows a link, or another site sends them on. */
const PAGE_LOAD = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'user-agent': 'A browser', 'accept-language': 'en' }

export interface Answer { status: number, body: any, headers: Headers }
interface Asked { method?: string, body?: object, headers?: Record<string, string> }

/** A browser's cookies, and what it asks with them. */
export class BrowserClient {
  readonly server: Pick<Server, 'url'>
  /** Those of the server. */
  readonly cookies = new Map<string, string>()
  /** Those of all sites, by origin. */
  readonly #jars = new Map<string, Map<string, string>>()

  constructor (server: Pick<Server, 'url'>) {
    this.server = server
  }

  /** Asks the server for a path, or another site for an address. */
  async ask (target: string, { method = 'GET', body, headers = {} }: Asked = {}): Promise<Answer> {
    const url = new URL(target, this.server.url)
    const jar = this.#jarOf(url)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const isForm = body instanceof URLSearchParams
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      headers: { ...OWN_PAGE, ...(cookie && { cookie }), ...(body && !isForm && { 'content-type': 'application/json' }), ...headers },
      ...(body && { body: isForm ? body : JSON.stringify(body) })
    })
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = line.split(';')[0]!.split('=')
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : text }
  }

  /** Opens an address as a person does, and follows where it leads until that is no redirect, or `until` says so of the next address. */
  async open (target: string, until: (url: URL) => boolean = () => false): Promise<Answer & { url: URL }> {
    let url = new URL(target, this.server.url)
    for (let hops = 0; hops < 20; hops++) {
      const answer = await this.ask(url.href, { headers: PAGE_LOAD })
      const location = answer.headers.get('location')
      if (location === null) return { ...answer, url }
      url = new URL(location, url)
      if (until(url)) return { ...answer, url }
    }
    throw new Error(`${target} leads from one address to the next: ${url}`)
  }

  logIn (key: string): Promise<Answer> {
    return this.ask('/login', { method: 'POST', body: { key } })
  }

  #jarOf ({ origin }: URL): Map<string, string> {
    if (origin === new URL(this.server.url).origin) return this.cookies
    const jar = this.#jars.get(origin) ?? new Map<string, string>()
    this.#jars.set(origin, jar)
    return jar
  }
}
