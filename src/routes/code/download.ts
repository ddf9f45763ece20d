import type { FastifyReply } from 'fastify'

/** What a session has made is kept by whoever asked for it, and shown by no browser: on this origin it could act as the person. */
const HEADERS = {
  'content-type': 'application/octet-stream',
  'x-content-type-options': 'nosniff',
  'content-security-policy': 'default-src \'none\'; sandbox',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'private, no-cache'
}

/** Sets the headers of an answer that is a file; it is to be called like the last part of `path`. */
export function asDownload (reply: FastifyReply, path: string): FastifyReply {
  const name = encodeURIComponent(path.slice(path.lastIndexOf('/') + 1)).replace(/['()*]/g, letter => `%${letter.charCodeAt(0).toString(16)}`)
  return reply.headers({ ...HEADERS, 'content-disposition': `attachment; filename*=UTF-8''${name}` })
}
