import type { IncomingHttpHeaders } from 'node:http'
import type { ClientContext } from '#domain/session.ts'

const MOST = 500

/** What the headers of a creation say about its client, shortened. */
export function contextOf ({ 'user-agent': userAgent, referer, 'accept-language': languages }: IncomingHttpHeaders): ClientContext {
  const referrer = referrerOf(referer)
  const locale = localeOf(languages)
  return { ...(userAgent && { userAgent: userAgent.slice(0, MOST) }), ...(referrer && { referrer }), ...(locale && { locale }) }
}

/** The origin and path of the page that the request came from. */
function referrerOf (referrer: string | undefined): string | undefined {
  const url = URL.parse(referrer ?? '')
  return url && ['http:', 'https:'].includes(url.protocol) ? (url.origin + url.pathname).slice(0, MOST) : undefined
}

/** The language of the greatest weight, the first of those. */
function localeOf (languages = ''): string | undefined {
  const weighed = languages.slice(0, MOST).split(',').map(range => {
    const [tag = '', ...parameters] = range.split(';').map(part => part.trim())
    const weight = parameters.find(parameter => parameter.startsWith('q='))?.slice(2)
    return { tag, weight: weight === undefined ? 1 : Number(weight) || 0 }
  })
  const wanted = weighed.filter(({ tag, weight }) => weight > 0 && isLanguage(tag)).toSorted((a, b) => b.weight - a.weight)[0]
  return wanted && Intl.getCanonicalLocales(wanted.tag)[0]
}

function isLanguage (tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch {
    return false // no language tag
  }
}
