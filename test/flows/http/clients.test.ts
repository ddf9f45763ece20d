import { connect } from 'node:net'
import t from 'tap'
import { STEPS } from '#domain/sessions/steps.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { inside } from '#support/sandbox.ts'

/** What an existing front end reads of a line. */
interface Line { status: string, data: { message?: string, sessionId?: string, isNew?: boolean } }

t.test('an existing front end reads lines with a status and data, and pushes what its editor holds', async t => {
  const server = await serve(t)

  const response = await fetch(`${server.url}/createSession`, { headers: { accept: 'application/json' } })
  t.equal(response.status, 200)
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  let buffer = ''
  const lines: Line[] = []
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    buffer += decoder.decode(read.value, { stream: true })
    const whole = buffer.split('\n')
    buffer = whole.pop() ?? ''
    for (const line of whole.filter(line => line.trim())) lines.push(JSON.parse(line))
  }
  t.equal(buffer, '', 'the last line ends like the others')
  t.ok(lines.slice(0, -1).every(line => line.status === 'running' && typeof line.data.message === 'string'), 'messages to show while it waits')
  const last = lines.at(-1)!
  t.match(last, { status: 'complete', data: { sessionId: /^[0-9a-f]{32}$/, isNew: true } })
  const sessionId = last.data.sessionId!

  const page = await fetch(`${server.url}/session/${sessionId}`)
  t.match({ status: page.status, url: page.url, html: await page.text() }, { status: 200, url: /\/index\.html$/, html: /<html/i }, 'its iframe shows the display')

  const push = async (finished: boolean) => {
    const answer = await fetch(`${server.url}/updateCode`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ sessionId, code: { file_path: 'background.js', file_content: `// ${finished}\n`, file_finished: finished } })
    })
    return answer.json()
  }
  t.match(await push(false), { success: true, file_finished: false, version: 1 })
  t.match(await push(true), { success: true, file_finished: true, version: 2 })
  const { run, facts } = await inside(t, server, { id: sessionId, url: '', lines: [] })
  t.equal((await run(['cat', `${facts.account.home}/extension/background.js`])).stdout, '// true\n', 'the session has the file')

  const ended = await fetch(`${server.url}/session/${sessionId}`, { method: 'DELETE' })
  t.match(await ended.json(), { success: true, message: String })

  await t.test('each line comes by itself, as it happens, and not all at the end', async t => {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    t.teardown(() => socket.destroy())
    socket.write('GET /createSession HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    let chunks = 0
    let text = ''
    for await (const chunk of socket) {
      text += chunk
      chunks++
      if (text.includes('"complete"')) break
    }
    t.ok(chunks > 3, `${chunks} pieces arrived`)
    const lines = text.split('\r\n').filter(line => line.startsWith('{'))
    t.ok(lines.length > STEPS.length, 'and each piece of the transfer is one line')
    t.ok(lines.every(line => line.endsWith('\n') && line.indexOf('\n') === line.length - 1))
    const { sessionId } = JSON.parse(lines.at(-1)!).data
    t.equal((await fetch(`${server.url}/session/${sessionId}`, { method: 'DELETE' })).status, 200)
  })
  await assertEndsClean(t, server)
})
