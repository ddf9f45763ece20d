import type { FastifyReply } from 'fastify'

/** Makes browsers save a session's content and never show it: on this origin, its scripts could act as the user. */
const HEADERS = {
  'content-type': 'application/octet-stream',
  'content-security-policy': 'default-src \'none\'; sandbox',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'private, no-cache'
}

/** Sets the headers of a file download. The file's name is the last part of `path`: in two forms, as RFC 6266 (appendix D) wants, since curl and others read only the first. */
export function asDownload (reply: FastifyReply, path: string): FastifyReply {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const encoded = encodeURIComponent(name).replace(/['()*]/g, letter => `%${letter.charCodeAt(0).toString(16)}`)
  return reply.headers({ ...HEADERS, 'content-disposition': `attachment; filename="${name.replace(/[^\w. -]/g, '_')}"; filename*=UTF-8''${encoded}` })
}
