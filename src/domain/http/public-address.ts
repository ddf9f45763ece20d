/** The address that people use, in parts. Every part is empty when the operator names no address. */
export interface PublicAddress {
  /** Scheme, host and port, as a browser sends them in `Origin`. */
  origin: string
  /** Host and port, as a browser sends them in `Host`. */
  host: string
  /** The path below which a proxy offers the server, such as `/ex10`; without a slash at its end. */
  prefix: string
}

/** Takes the setting EX10_PUBLIC_URL apart, which has been checked. */
export function publicAddressOf (publicUrl: string): PublicAddress {
  if (publicUrl === '') return { origin: '', host: '', prefix: '' }
  const { origin, host, pathname } = new URL(publicUrl)
  return { origin, host, prefix: pathname.replace(/\/$/, '') }
}

/** The request's URL as the routes know it: without the prefix, if the proxy has left it there. */
export function withoutPrefix (url: string, prefix: string): string {
  if (prefix === '' || !url.startsWith(prefix)) return url
  const rest = url.slice(prefix.length)
  if (rest.startsWith('/')) return rest
  return rest === '' || rest.startsWith('?') ? `/${rest}` : url
}
