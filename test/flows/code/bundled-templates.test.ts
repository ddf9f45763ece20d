import { readFileSync } from 'node:fs'
import t from 'tap'
import { openDevTools, type Tab } from '#support/display/devtools.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually, pushCode } from '#support/servers/server.ts'
import type { Waited } from '#support/code/session-extension.ts'

const BADGE = 'document.querySelector("#my-extension")?.textContent'
const TEXT = 'document.body?.innerText'
const SEEN_MS = 20_000

const TEMPLATES = [
  { template: 'typescript', popup: 'popup.ts', options: 'options.ts' },
  { template: 'react', popup: 'popup.tsx', options: 'options.tsx' }
]

t.test('A session of a bundled template runs its extension, and shows each change of it', async t => {
  const server = await serve(t)
  for (const { template, popup, options } of TEMPLATES) {
    await t.test(template, async t => {
      const session = await createSession(server, `?template=${template}`)
      const devTools = await openDevTools(t, server, session, 'extension-build')
      const tab = await devTools.firstTab()
      const start = String(await eventually('the start page', () => tab.evaluate('location.href')))
      const source = (name: string) => readFileSync(`templates/${template}/extension/${name}`, 'utf8')
      const shows = async (page: Tab, expression: string, wanted: RegExp) => {
        await eventually(String(wanted), async () => wanted.test(String(await page.evaluate(expression))), SEEN_MS)
      }
      const push = async (files: Record<string, string>) => {
        const response = await pushCode(server, { sessionId: session.id, wait: true, files: Object.entries(files).map(([filePath, content]) => ({ filePath, content })) })
        return await response.json() as Waited
      }
      const worked = { loaded: true, problems: [] }

      await shows(tab, BADGE, /^Hello from my extension$/)
      const optionsPage = await devTools.openTab(`chrome-extension://${devTools.extensionId}/options.html`)
      await shows(optionsPage, 'document.querySelector("#greeting")?.value', /^Hello from my extension$/)
      const popupPage = await devTools.openPopup(start)
      await shows(popupPage, TEXT, /My extension\s+Hello from my extension\s+Version 0\.1\.0/)
      t.pass('content script, options page and popup act, and the service worker answers them')

      t.match(await popupPage.evaluate('chrome.runtime.getManifest()'), {
        background: { service_worker: 'background.js', type: 'module' },
        content_scripts: [{ js: ['content.js'], css: ['content.css'] }],
        action: { default_popup: 'popup.html' },
        options_ui: { page: 'options.html' }
      }, 'files have the names that the manifest gives them')

      t.match(await push({ [popup]: source(popup).replace('loadGreeting()', 'loadGreeting().then(text => text + "!")') }), worked)
      await shows(popupPage, TEXT, /Hello from my extension!/)
      t.pass('a pushed change of the popup shows in the one that is open')
      t.match(await push({ [options]: source(options).replace('loadGreeting()', 'loadGreeting().then(text => text + "?")') }), worked)
      await shows(optionsPage, 'document.querySelector("#greeting")?.value', /^Hello from my extension\?$/)
      t.pass('one of the options page, too')
      await shows(tab, BADGE, /^Hello from my extension$/)

      t.match(await push({ 'background.ts': source('background.ts').replace('chrome.runtime.getManifest().version', "'of the worker'") }), worked)
      const again = await devTools.openPopup(start)
      await shows(again, TEXT, /Version of the worker/)
      t.pass('the new service worker answers')
      await devTools.send('Target.closeTarget', { targetId: again.targetId })

      const times: number[] = []
      for (let i = 0; i < 5; i++) {
        const pushedAt = performance.now()
        await pushCode(server, { sessionId: session.id, filePath: 'content.ts', content: source('content.ts').replace('await loadGreeting()', `'Greeting ${i}'`) })
        await shows(tab, BADGE, new RegExp(`^Greeting ${i}$`))
        times.push(Math.round(performance.now() - pushedAt))
      }
      t.comment(`from the push of a content script until the open page shows it: ${times.join(', ')} ms`)
      t.pass('the open page shows the new content script')

      const thrown = { kind: 'uncaught-exception', message: 'Uncaught Error: broken', file: 'content.ts', line: 4, column: 3, context: 'content-script' }
      const throwing = "import { loadGreeting } from './settings.ts'\n\nloadGreeting()\n  throw new Error('broken')\n"
      t.match(await push({ 'content.ts': throwing }), { problems: [thrown] }, 'what is thrown is told of where it stands in the source')
      t.match(await push({ 'content.ts': source('content.ts').replace('await loadGreeting()', "'Greeting 4'") }), worked)

      const missing = { kind: 'missing-file', message: 'content.ts: nope.ts does not exist', file: 'content.ts', line: 1, column: 8, context: 'build' }
      t.match(await push({ 'content.ts': 'import "./nope.ts"' }), { loaded: false, problems: [missing] }, 'a missing file is named')
      await shows(tab, BADGE, /^Greeting 4$/)
      t.match(await push({ 'content.ts': source('content.ts') }), worked, 'it heals')
      await shows(tab, BADGE, /^Hello from my extension$/)
      t.equal((await endSession(server, session.id)).status, 200)
    })
  }
})
