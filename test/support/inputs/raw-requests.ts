/** A request as no client library would send it, and what it is answered: the statuses, in their order. */
export interface RawRequest {
  name: string
  pieces: (string | Buffer)[]
  answers: number[]
  /** More of it is to come, and does not. */
  unfinished?: true
}

const HOST = 'Host: localhost\r\n'
const PUSH = 'POST /updateCode HTTP/1.1\r\n' + HOST + 'Content-Type: application/json\r\n'
const GET = 'GET /health HTTP/1.1\r\n' + HOST

/** Requests that hide another one, which ends the session with this id or makes one; none may reach it. */
function smuggling (id: string): RawRequest[] {
  const hidden = [`DELETE /session/${id} HTTP/1.1\r\n${HOST}\r\n`, `GET /createSession HTTP/1.1\r\n${HOST}\r\n`]
  const codings = ['chunked', 'Chunked', 'chunked, identity', 'identity, chunked', 'gzip, chunked', 'chunked, chunked', 'xchunked', 'chunked;q=1', '"chunked"', 'chunked\t', ' chunked', 'chunked,', ',chunked', 'cow']
  const spellings = ['Transfer-Encoding: chunked', 'transfer-encoding:chunked', 'Transfer-Encoding:\tchunked', 'Transfer-Encoding : chunked', 'Transfer-Encoding\t: chunked',
    ' Transfer-Encoding: chunked', 'X: x\r\n Transfer-Encoding: chunked', 'X: x\nTransfer-Encoding: chunked', 'X: x\rTransfer-Encoding: chunked', 'Transfer-Encoding:\r\n chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: cow', 'Transfer-Encoding: cow\r\nTransfer-Encoding: chunked', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer\u0000-Encoding: chunked', 'Transfer-Encoding: \u000bchunked', 'Transfer-Encoding: chunked\u0000', 'Transfer_Encoding: chunked', 'Transfer-Encoding:', 'Transfer-Encoding: chun\r\n ked']
  return hidden.flatMap((request, i) => {
    const which = i === 0 ? 'DELETE' : 'creation'
    const clTe = `0\r\n\r\n${request}`
    const teCl = `${request.length.toString(16)}\r\n${request}\r\n0\r\n\r\n`
    return [
      ...codings.map(coding => ({ name: `CL.TE ${which}, ${coding}`, pieces: [`${PUSH}Content-Length: ${clTe.length}\r\nTransfer-Encoding: ${coding}\r\n\r\n${clTe}`], answers: [400] })),
      ...codings.map(coding => ({ name: `TE.CL ${which}, ${coding}`, pieces: [`${PUSH}Transfer-Encoding: ${coding}\r\nContent-Length: 4\r\n\r\n${teCl}`], answers: [400] })),
      ...spellings.map(spelling => ({ name: `TE.TE ${which}, ${JSON.stringify(spelling)}`, pieces: [`${PUSH}${spelling}\r\nContent-Length: ${clTe.length}\r\n\r\n${clTe}`], answers: [400] })),
      { name: `CL.0 ${which}`, pieces: [`${GET}Content-Length: ${request.length}\r\n\r\n${request}`], answers: [200] },
      { name: `a length within a length ${which}`, pieces: [`${PUSH}Content-Length: ${request.length}\r\n\r\n${request}`], answers: [400] },
      { name: `two lengths ${which}`, pieces: [`${PUSH}Content-Length: 0\r\nContent-Length: ${request.length}\r\n\r\n${request}`], answers: [400] },
      { name: `a list of lengths ${which}`, pieces: [`${PUSH}Content-Length: 0, ${request.length}\r\n\r\n${request}`], answers: [400] },
      ...['+', '-', '0x', '00', ' \t', '1e'].map(sign => ({ name: `a length with ${JSON.stringify(sign)} ${which}`, pieces: [`${PUSH}Content-Length: ${sign}${request.length}\r\n\r\n${request}`], answers: [400] })),
      { name: `a chunk's extension ${which}`, pieces: [`${PUSH}Transfer-Encoding: chunked\r\n\r\n0;\n${request}\r\n\r\n`], answers: [400] },
      { name: `in a trailer ${which}`, pieces: [`${PUSH}Transfer-Encoding: chunked\r\n\r\n0\r\nX: \r\n\n${request}`], answers: [400] },
      { name: `behind a header's value ${which}`, pieces: [`${GET}X: x\n\n${request}`], answers: [400] },
      { name: `behind an upgrade to HTTP/2 ${which}`, pieces: [`${GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: ${request.length}\r\n\r\n${request}`], answers: [200] },
      { name: `behind an upgrade to a WebSocket ${which}`, pieces: [`GET /session/${id}/ HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n${request}`], answers: [403] },
      { name: `behind a refused pipeline ${which}`, pieces: [`${GET}\r\nBAD\r\n\r\n${request}`], answers: [] }
    ]
  })
}

const line = (name: string, text: string, ...answers: number[]): RawRequest => ({ name, pieces: [text], answers })
const unfinished = (name: string, text: string, ...answers: number[]): RawRequest => ({ ...line(name, text, ...answers), unfinished: true })

const hosts: RawRequest[] = [
  line('no Host', 'GET /sessions HTTP/1.1\r\n\r\n', 421),
  line('no Host in HTTP/1.0', 'GET /sessions HTTP/1.0\r\n\r\n', 421),
  line('an empty Host', 'GET /sessions HTTP/1.1\r\nHost:\r\n\r\n', 421),
  ...['localhost\r\nHost: localhost', 'localhost\r\nHost: evil.example', 'evil.example\r\nHost: localhost', 'localhost, evil.example', 'evil.example', 'localhost:80:80', 'localhost@evil.example',
    'localhost/', 'localhost#', 'localhost?', 'localhost\\', 'localhost ', 'http://localhost', '[::1', '::1', '[::1]evil', '127.0.0.1.evil.example', '0x7f.1', 'localhost:', 'localhost:x', 'localhost:999999',
    '.localhost', 'localhost..', 'evil.localhost', 'l\u00f6calhost', '127.1', '2130706433'].map(host => line(`Host: ${JSON.stringify(host)}`, `GET /sessions HTTP/1.1\r\nHost: ${host}\r\n\r\n`, host === 'localhost ' ? 200 : 421)),
  line('another Host behind a line break', 'GET /sessions HTTP/1.1\r\nHost: localhost\r\n evil.example\r\n\r\n', 400),
  line('an absolute form for another host', `GET http://evil.example/sessions HTTP/1.1\r\n${HOST}\r\n`, 421),
  line('an absolute form for us, with another Host', 'GET http://localhost/sessions HTTP/1.1\r\nHost: evil.example\r\n\r\n', 421),
  line('an absolute form with a user', `GET http://localhost@evil.example/sessions HTTP/1.1\r\n${HOST}\r\n`, 421)
]

const firstLines: RawRequest[] = [
  ...['GET /health HTTP/1.2', 'GET /health HTTP/9.9', 'GET /health HTTP/1.1.1', 'GET /health HTTP/11', 'GET /health HTTP/1', 'GET /health HTTP/', 'GET /health HTTPS/1.1', 'GET /health http/1.1', 'GET /health XTTP/1.1',
    'GET /health ICE/1.0', 'GET /health HTTP/1.1 x', 'GET /health  x HTTP/1.1', 'GET /he alth HTTP/1.1', 'GET', 'GET ', '/health HTTP/1.1', ' GET /health HTTP/1.1', 'GET\t/health\tHTTP/1.1',
    'GET\u0000 /health HTTP/1.1', 'GET /\u0000 HTTP/1.1', 'GET /\u0001 HTTP/1.1', 'GET /\u007f HTTP/1.1', 'get /health HTTP/1.1', 'G3T /health HTTP/1.1', 'FOO /health HTTP/1.1', 'PRI * HTTP/2.0', '', '\u0000', '\u0016\u0003\u0001\u0002\u0000\u0001', '\u00ff\u00fe', '{"a":1}',
    'CONNECT localhost:80 HTTP/1.0\u0000', 'GET /health HTTP/1.1\u0000', 'GET  HTTP/1.1', 'GET health HTTP/1.1', 'GET \\health HTTP/1.1', 'GET ?x HTTP/1.1'].map(first => line(`first line ${JSON.stringify(first)}`, `${first}\r\n${HOST}\r\n`, 400)),
  // versions and protocols that the parser lets pass, as a request like any other
  ...['GET /health HTTP/2.0', 'GET /health HTTP/0.9', 'GET /health RTSP/1.0', 'GET /health'].map(first => line(`first line ${JSON.stringify(first)}`, `${first}\r\n${HOST}\r\n`, 200)),
  ...['TRACE', 'PROPFIND', 'PATCH', 'PUT', 'LINK', 'M-SEARCH', 'PURGE', 'QUERY'].map(method => line(`${method}`, `${method} /updateCode HTTP/1.1\r\n${HOST}\r\n`, 405)),
  line('TRACK', `TRACK /updateCode HTTP/1.1\r\n${HOST}\r\n`, 400),
  line('OPTIONS', `OPTIONS /updateCode HTTP/1.1\r\n${HOST}\r\n`, 204),
  line('CONNECT', `CONNECT localhost:80 HTTP/1.1\r\n${HOST}\r\n`),
  line('HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0000\u0000', 400),
  ...['*', '*/health', 'http://localhost', 'http://localhost/health', 'ftp://localhost/health', 'file:///etc/passwd'].map(target => line(`target ${JSON.stringify(target)}`, `GET ${target} HTTP/1.1\r\n${HOST}\r\n`, 421)),
  line('target "http://"', `GET http:// HTTP/1.1\r\n${HOST}\r\n`, 404),
  line('target "localhost:80"', `GET localhost:80 HTTP/1.1\r\n${HOST}\r\n`, 400),
  ...['/docs/static/../../../package.json', '/docs/static/%2e%2e/%2e%2e/package.json'].map(target => line(`target ${JSON.stringify(target)}`, `GET ${target} HTTP/1.1\r\n${HOST}\r\n`, 403)),
  ...['//', '/.', '/..', '/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/%', '/%00', '/%ff', '/%c0%af', '/session/..%2f..', '/session/%00/', '/sessions/%zz', `/${'a'.repeat(8000)}`, '/\\', '/display/../../etc/passwd', '/display/1/%2e%2e%2fapp.ts',
    '/health/', '/HEALTH', '/health%20', '/health;x', '/;/health'
  ].map(target => line(`target ${JSON.stringify(target.slice(0, 60))}`, `GET ${target} HTTP/1.1\r\n${HOST}\r\n`, 404))
]

const headers: RawRequest[] = [
  line('bare line feeds', 'GET /health HTTP/1.1\nHost: localhost\n\n', 400),
  line('bare carriage returns', 'GET /health HTTP/1.1\rHost: localhost\r\r', 400),
  line('a bare line feed at the end', `GET /health HTTP/1.1\r\n${HOST}\n`, 400),
  line('a folded header', `${GET}X: a\r\n b\r\n\r\n`, 400),
  ...['X : a', ': a', 'X', 'X\u0000: a', 'X: a\u0000b', 'X: a\u0007', 'X: \u007f', 'X\u00e9: a', 'X y: a', '(X): a', 'X\t: a', '\u000bX: a', 'X: a\rb', 'X: a\nb', '=: a', '@: a'].map(header =>
    line(`a header ${JSON.stringify(header)}`, `${GET}${header}\r\n\r\n`, 400)),
  line('headers of 20 KB', `${GET}X: ${'a'.repeat(20_000)}\r\n\r\n`, 431),
  line('headers of 1 MB', `${GET}X: ${'a'.repeat(1_000_000)}\r\n\r\n`, 431),
  line('a header\'s name of 20 KB', `${GET}${'X'.repeat(20_000)}: a\r\n\r\n`, 431),
  line('3000 headers', `${GET}${Array.from({ length: 3000 }, (_, i) => `X${i}: a\r\n`).join('')}\r\n`, 431),
  line('a target of 20 KB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`, 431),
  line('a method of 20 KB', `${'G'.repeat(20_000)} / HTTP/1.1\r\n${HOST}\r\n`, 400),
  line('an expectation', `${GET}Expect: a-miracle\r\n\r\n`, 200),
  line('another page\'s origin, twice', `POST /sessions HTTP/1.1\r\n${HOST}Origin: https://evil.example\r\nOrigin: http://localhost\r\nContent-Length: 0\r\n\r\n`, 403),
  line('another page\'s origin, second', `POST /sessions HTTP/1.1\r\n${HOST}Origin: http://localhost\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n`, 403),
  line('two types of a body', `${PUSH}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}`, 415),
  unfinished('no end of the head', GET, 400),
  unfinished('nothing', '')
]

const bodies: RawRequest[] = [
  ...['', 'x', '-1', '1 1', '0x1', 'fffffffffffffffff', '10000000000000000', ' 1', '1;\u0000', '1\r', '1;a=\n', '\u00b2'].map(size =>
    line(`a chunk of the size ${JSON.stringify(size)}`, `${PUSH}Transfer-Encoding: chunked\r\n\r\n${size}\r\n{}\r\n0\r\n\r\n`, 400)),
  line('a chunk longer than its size', `${PUSH}Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n`, 400),
  unfinished('a chunk shorter than its size', `${PUSH}Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n0\r\n\r\n`, 400),
  line('chunks that end with bare line feeds', `${PUSH}Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n`, 400),
  line('a chunk\'s extension of 20 KB', `${PUSH}Transfer-Encoding: chunked\r\n\r\n2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`, 400),
  line('trailers of 20 KB', `${PUSH}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431),
  { name: 'one byte a chunk', pieces: [`${PUSH}Transfer-Encoding: chunked\r\n\r\n`, ...'{"a":1}'.split('').map(byte => `1\r\n${byte}\r\n`), '0\r\n\r\n'], answers: [400] },
  { name: 'one byte a segment', pieces: `${PUSH}Content-Length: 2\r\n\r\n{}`.split(''), answers: [400] },
  line('a length beyond exact numbers', `${PUSH}Content-Length: 9007199254740993\r\n\r\n{}`, 413),
  ...['18446744073709551616', '99999999999999999999999', '1.0', '1_0', 'NaN', '1 2', '\u00b2'].map(length => line(`a length of ${length}`, `${PUSH}Content-Length: ${length}\r\n\r\n{}`, 400)),
  unfinished('less than the length says', `${PUSH}Content-Length: 100\r\n\r\n{}`, 400),
  unfinished('a body of nothing but a length', `${PUSH}Content-Length: 100\r\n\r\n`, 400),
  line('a body beyond 20 MiB, announced', `${PUSH}Content-Length: 999999999\r\n\r\n{}`, 413),
  line('a compressed body', `${PUSH}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`, 415),
  line('HTTP/1.0 with chunks', `POST /updateCode HTTP/1.0\r\n${HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 400),
  line('a body that waits for a go-ahead', `${PUSH}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`, 100, 400)
]

const pipelines: RawRequest[] = [
  line('two at once', `${GET}\r\n${GET}\r\n`, 200, 200),
  line('fifty at once', `${GET}\r\n`.repeat(50), ...Array<number>(50).fill(200)),
  // the answers that are under way are lost with the connection: another one in their place would be taken for theirs
  line('nonsense after one', `${GET}\r\nnonsense\r\n\r\n`),
  line('nonsense after a push', `${PUSH}Content-Length: 2\r\n\r\n{}nonsense`),
  line('one after a last one', `${GET}Connection: close\r\n\r\n${GET}\r\n`),
  line('one after HTTP/1.0', `GET /health HTTP/1.0\r\n${HOST}\r\n${GET}\r\n`),
  line('empty lines before', `\r\n\r\n${GET}\r\n`, 200)
]

export function rawRequests (id: string): RawRequest[] {
  return [...smuggling(id), ...hosts, ...firstLines, ...headers, ...bodies, ...pipelines]
}
