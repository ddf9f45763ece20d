interface Route { method: string, parts: string[] }

/** The methods of the server's routes, for answers to requests with another method. */
export class RouteMethods {
  readonly #routes: Route[] = []
  /** The methods of the route for every path, as the one for preflight requests. */
  readonly #everywhere = new Set<string>()

  /** Adds a route. `path` is in Fastify's form: text, `:parameters`, and one `*` at the end. */
  add (method: string, path: string): void {
    if (path === '*') this.#everywhere.add(method)
    else this.#routes.push({ method, parts: path.split('/') })
  }

  /** The methods that the path of this URL has, in alphabetical order; none, when there is no such path. */
  of (url: string): string[] {
    const parts = decoded(url)?.split('/') ?? []
    const own = this.#routes.filter(route => matches(route.parts, parts)).map(({ method }) => method)
    return own.length === 0 ? [] : [...new Set([...own, ...this.#everywhere])].sort()
  }
}

/** The path, decoded but for the characters that separate its parts. */
function decoded (url: string): string | undefined {
  try {
    return decodeURI(url.replace(/[?#].*/s, ''))
  } catch {
    return undefined
  }
}

function matches (wanted: string[], parts: string[]): boolean {
  const isOpen = wanted.at(-1) === '*'
  const count = isOpen ? wanted.length - 1 : wanted.length
  if (isOpen ? parts.length <= count : parts.length !== count) return false
  return wanted.slice(0, count).every((name, index) => name.startsWith(':') ? parts[index] !== '' : parts[index] === name)
}
