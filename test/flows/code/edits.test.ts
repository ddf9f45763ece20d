import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { SessionFacts } from '#domain/session.ts'
import type { SessionView } from '#schemas/session.ts'
import { openDevTools, type DevTools, type Tab } from '#support/display/devtools.ts'
import { firstLine, inside, pythonArgv } from '#support/sandbox.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, eventually, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'

const PAGE = 'http://page.test/'
const token = () => `token-${randomBytes(6).toString('hex')}`

// what the person pushes; what each part says can be read in the page
const contentScript = (said: string) => `
const page = document.documentElement.dataset
page.content = '${said}'
chrome.runtime.sendMessage('say').then(({ said, permissions }) => Object.assign(page, { background: said, permissions }))
`
const background = (said: string) => `
chrome.runtime.onMessage.addListener((message, sender, answer) => {
  chrome.permissions.getAll().then(({ permissions }) => answer({ said: '${said}', permissions }))
  return true
})
`
const popup = (said: string) => `<!doctype html><title>Popup</title><p>${said}</p>`
const addition = (said: string) => `document.documentElement.dataset.addition = '${said}'`

const MANIFEST = JSON.parse(await readFile('templates/vanilla/extension/manifest.json', 'utf8'))
const manifest = (changes: object) => JSON.stringify({ ...MANIFEST, ...changes })

interface Bench { server: Server, session: CreatedSession, devTools: DevTools, tab: Tab }

async function view ({ server, session }: Bench): Promise<SessionView> {
  return await (await fetch(`${server.url}/sessions/${session.id}`)).json() as SessionView
}

async function push (t: Test, { server, session }: Bench, files: Record<string, string | null>): Promise<number> {
  const response = await pushCode(server, {
    sessionId: session.id,
    files: Object.entries(files).map(([filePath, content]) => content === null ? { filePath, delete: true } : { filePath, content })
  })
  const answer = await response.json() as { version: number }
  t.equal(response.status, 200, `pushed: ${Object.keys(files).join(', ')}`)
  return answer.version
}

const read = ({ tab }: Bench, part: string) => tab.evaluate(`document.documentElement.dataset.${part}`)

async function sees (t: Test, bench: Bench, part: string, said: string): Promise<void> {
  try {
    await eventually(`${part}: ${said}`, async () => await read(bench, part) === said, 30_000)
    t.pass(`the open page has the new ${part}`)
  } catch {
    t.equal(await read(bench, part), said, `the open page has the new ${part}; the session says: ${JSON.stringify(await view(bench))}`)
  }
}

async function hasProblem (t: Test, bench: Bench, wanted: object): Promise<void> {
  await eventually('a problem', async () => (await view(bench)).problems.length > 0, 30_000)
  t.strictSame((await view(bench)).problems, [wanted])
}

async function hasNoProblem (bench: Bench): Promise<void> {
  await eventually('no problem any more', async () => (await view(bench)).problems.length === 0, 30_000)
}

/** Opens the popup as a person does, by the extension's button, and reads it; undefined while the extension is being reloaded. */
async function readPopup ({ devTools }: Bench): Promise<unknown> {
  try {
    const popup = await devTools.openPopup(PAGE, 3000)
    const text = await eventually('its text', () => popup.evaluate('document.readyState === "complete" && document.body.innerText'), 3000)
    await devTools.send('Target.closeTarget', { targetId: popup.targetId })
    await eventually('the popup is closed', async () => !(await devTools.targets()).some(({ targetId }) => targetId === popup.targetId))
    return text
  } catch {
    return undefined
  }
}

t.test('A person who edits an extension sees every edit in the tab that is open, in the same browser', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const devTools = await openDevTools(t, server, session)
  const tab = await devTools.firstTab()
  const bench = { server, session, devTools, tab }
  const pid = await devTools.browserPid()
  await tab.visit(PAGE, '<!doctype html><title>Page</title><h1>A page</h1>')
  await eventually('the template\'s badge', () => tab.evaluate('document.querySelector("#my-extension")?.textContent'), 30_000)

  const edit = (title: string, body: (t: Test) => Promise<void>) => t.test(title, async t => {
    await body(t)
    const open = (await devTools.targets()).filter(({ type, url }) => type === 'page' && url === PAGE)
    t.strictSame(open.map(({ targetId }) => targetId), [tab.targetId], 'it is the same tab')
    t.equal(await devTools.browserPid(), pid, 'of the same browser process')
  })

  await edit('the content script: pushed as a file of the original\'s name', async t => {
    const [said, answer] = [token(), token()]
    await push(t, bench, { 'content-script.js': contentScript(said), 'background.js': background(answer) })
    await sees(t, bench, 'content', said)
    await sees(t, bench, 'background', answer)
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      const next = token()
      const pushedAt = performance.now()
      await push(t, bench, { 'content-script.js': contentScript(next) })
      await sees(t, bench, 'content', next)
      times.push(Math.round(performance.now() - pushedAt))
    }
    t.comment(`from the push of a content script until the open page shows it: ${times.join(', ')} ms`)
  })

  await edit('the background: a new service worker answers the page', async t => {
    const said = token()
    await push(t, bench, { 'background.js': background(said) })
    await sees(t, bench, 'background', said)
  })

  await edit('the popup: new when it is opened next', async t => {
    t.match(await eventually('the popup', () => readPopup(bench), 30_000), /My extension/, 'the template\'s popup opens by the extension\'s button')
    const said = token()
    const { version } = await view(bench)
    t.equal(await push(t, bench, { 'popup.html': popup(said) }), version + 1, 'the version counts pushes')
    await eventually('the new popup', async () => await readPopup(bench) === said, 30_000)
  })

  await edit('the manifest: a permission that was added is granted', async t => {
    t.notMatch(await read(bench, 'permissions'), /bookmarks/, 'it was not there before')
    await push(t, bench, { 'manifest.json': manifest({ permissions: ['storage', 'bookmarks'] }) })
    await eventually('the permission', async () => /bookmarks/.test(String(await read(bench, 'permissions'))), 30_000)
    t.match(await read(bench, 'permissions'), /storage/, 'beside the one that was')
  })

  const twoScripts = manifest({ content_scripts: [...MANIFEST.content_scripts, { matches: ['http://*/*'], js: ['parts/addition.js'] }] })
  await edit('a content script that is added to the manifest, with its file in a new folder', async t => {
    const said = token()
    await push(t, bench, { 'manifest.json': twoScripts, 'parts/addition.js': addition(said) })
    await sees(t, bench, 'addition', said)
    const again = token()
    await push(t, bench, { 'parts/addition.js': addition(again) })
    await sees(t, bench, 'addition', again)
  })

  await edit('a syntax error: the session says where, and the fix needs nothing else', async t => {
    await push(t, bench, { 'content-script.js': '\nconst = broken' })
    await hasProblem(t, bench, { kind: 'syntax-error', message: "Uncaught SyntaxError: Unexpected token '='", file: 'content-script.js', line: 2, column: 1, context: 'content-script' })
    const said = token()
    await push(t, bench, { 'content-script.js': contentScript(said) })
    await sees(t, bench, 'content', said)
    await hasNoProblem(bench)
  })

  await edit('a manifest that is no JSON, or that Chromium refuses: the session says so, and the fix works', async t => {
    for (const [broken, words] of [['{ "name": ', /Manifest is not valid JSON/], [manifest({ minimum_chrome_version: '9999' }), /9999/]] as const) {
      const before = await read(bench, 'content')
      await push(t, bench, { 'manifest.json': broken })
      t.match(await eventually('a problem', async () => (await view(bench)).problems[0], 30_000), { kind: 'manifest-error', message: words, file: 'manifest.json' })
      t.equal(await read(bench, 'content'), before, 'the open page runs the old script')
      const said = token()
      await push(t, bench, { 'manifest.json': twoScripts, 'parts/addition.js': addition(said) })
      await sees(t, bench, 'addition', said)
      await hasNoProblem(bench)
    }
  })

  await edit('pushes at the same time: both arrive, and of one file the push with the higher version stays', async t => {
    const [a, b, c, d] = [token(), token(), token(), token()]
    await Promise.all([push(t, bench, { 'background.js': background(a) }), push(t, bench, { 'parts/addition.js': addition(b) })])
    await sees(t, bench, 'background', a)
    await sees(t, bench, 'addition', b)
    const versions = await Promise.all([c, d].map(said => push(t, bench, { 'content-script.js': contentScript(said) })))
    t.equal(Math.abs(versions[0]! - versions[1]!), 1, 'each has a version of its own')
    await sees(t, bench, 'content', versions[0]! > versions[1]! ? c : d)
  })

  await edit('a change that no push made, such as by a command in the session, is reloaded the same way', async t => {
    const { facts, run } = await inside(t, server, session)
    const said = token()
    const written = await run(['/bin/sh', '-c', 'printf %s "$1" >"$2"', 'sh', contentScript(said), `${facts.account.home}/extension/content-script.js`])
    t.equal(written.code, 0)
    await sees(t, bench, 'content', said)
  })

  await edit('with wait, a push is answered when the browser runs it, or cannot, and says why', async t => {
    const wait = async (files: Record<string, string>) => {
      const response = await pushCode(server, { sessionId: session.id, files: Object.entries(files).map(([filePath, content]) => ({ filePath, content })), wait: true })
      return await response.json() as { loaded: boolean, reloadMs: number, problems: object[] }
    }
    const said = token()
    const good = await wait({ 'content-script.js': contentScript(said), 'background.js': background(said) })
    t.match(good, { loaded: true, problems: [] })
    await sees(t, bench, 'background', said)
    t.match(await wait({ 'background.js': '\n\nnothing()' }), { loaded: false, problems: [{ kind: 'uncaught-exception', file: 'background.js', line: 3, context: 'worker' }] })
    t.match(await wait({ 'popup.html': popup('x') }), { loaded: false, problems: [{ file: 'background.js' }] }, 'a page that is pushed heals no worker')
    t.match(await wait({ 'background.js': background(said), 'options.html': '<script src="gone.js"></script>' }), { loaded: true, problems: [{ kind: 'missing-file', file: 'options.html' }] })
    t.match(await wait({ 'options.html': '<p>' }), { loaded: true, problems: [] })
  })

  await edit('a push that comes while the worker of the one before it starts: the page hears the new worker', async t => {
    for (const gapMs of [40, 75, 150, 220, 260, 270, 280, 290]) {
      const [said, answer] = [token(), token()]
      await push(t, bench, { 'background.js': background(answer) })
      await delay(gapMs) // until the worker starts: at which moment the next push comes is what is tried
      await push(t, bench, { 'content-script.js': contentScript(said) })
      await sees(t, bench, 'content', said)
      await sees(t, bench, 'background', answer)
    }
  })

  await edit('a file that is deleted is gone, from the sources and from the page', async t => {
    const { facts, run } = await inside(t, server, session)
    await push(t, bench, { 'manifest.json': manifest({}), 'parts/addition.js': null })
    await eventually('the page without the addition', async () => await read(bench, 'content') && await read(bench, 'addition') === undefined, 30_000)
    const { stdout } = await run(['/usr/bin/find', `${facts.account.home}/extension`])
    t.match(stdout, /content-script/)
    t.notMatch(stdout, /addition/)
  })

  await edit('a dev server that crashes comes back by itself, the session says so meanwhile, and the next push works', async t => {
    const { facts, dir, start } = await inside(t, server, session)
    const events = () => readFile(`${dir}/events`, 'utf8').catch(() => '')
    const pushAndSee = async () => {
      const said = token()
      await push(t, bench, { 'content-script.js': contentScript(said) })
      await sees(t, bench, 'content', said)
    }
    t.equal((await view(bench)).health, 'ok', 'before')
    endProcess(facts, /watch\.py --port/)
    await eventually('an event', async () => /dev-server 256 9\n/.test(await events()), 30_000)
    await eventually('a new dev server', async () => (await fetch(`http://127.0.0.1:${facts.slot.devServerPort}/`).catch(() => undefined))?.ok, 30_000)
    await pushAndSee()

    // now it cannot start: something has taken its port
    const known = (await events()).length
    const squatter = start(pythonArgv('port-squatter.py', facts.slot.devServerPort))
    let isTaken = false
    firstLine(squatter).then(() => { isTaken = true }, () => {})
    await eventually('the port is taken', () => {
      if (!isTaken) endProcess(facts, /watch\.py --port/)
      return isTaken
    }, 30_000)
    await eventually('degraded', async () => (await view(bench)).health === 'degraded', 30_000)
    await eventually('each crash is an event', async () => /dev-server 1 0\n/.test((await events()).slice(known)), 30_000)
    endProcess(facts, /port-squatter|taken\.bind/)
    await eventually('ok again', async () => (await view(bench)).health === 'ok' && (await fetch(`http://127.0.0.1:${facts.slot.devServerPort}/`).catch(() => undefined))?.ok, 30_000)
    await pushAndSee()
  })
})

/** A process of the session whose command matches, as the host sees it. */
function findProcess ({ account }: SessionFacts, command: RegExp): number {
  return Number(readdirSync('/proc').find(pid => {
    try {
      return /^\d+$/.test(pid) && statSync(`/proc/${pid}`).uid === account.uid && command.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))
    } catch {
      return false // it has ended
    }
  }))
}

function endProcess (facts: SessionFacts, command: RegExp): void {
  const pid = findProcess(facts, command)
  if (pid > 0) process.kill(pid, 'SIGKILL')
}
