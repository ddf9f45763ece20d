import t from 'tap'
import { keptTabs, tabsFor } from '#domain/memory/tab.ts'

const ID = 'a'.repeat(32)
const OTHER = 'b'.repeat(32)

t.test('pages of the web, of the extension and of Chromium are kept, in their order', async t => {
  const urls = ['https://example.org/?q=1', `chrome-extension://${ID}/popup.html`, 'about:blank', 'chrome://extensions/']
  t.strictSame(keptTabs(urls.map(url => ({ url })), ID).map(({ url }) => url), urls)
})

t.test('what may belong to a moment or to a machine is not kept', async t => {
  const urls = ['file:///etc/passwd', 'data:text/html,x', 'devtools://devtools/', `chrome-extension://${OTHER}/x.html`, 'chrome://crash/', `https://example.org/${'x'.repeat(8192)}`, 'blob:https://example.org/1']
  t.strictSame(keptTabs(urls.map(url => ({ url })), ID), [])
})

t.test('another session has another port and another extension: the addresses follow', async t => {
  const from = { devServerPort: 8001, extensionId: ID }
  const to = { devServerPort: 8002, extensionId: OTHER }
  const tabs = ['http://localhost:8001/a?b#c', 'http://localhost:8003/', 'https://example.org/', `chrome-extension://${'c'.repeat(32)}/x.html`].map(url => ({ url }))
  t.strictSame(tabsFor([...tabs, { url: `chrome-extension://${ID}/popup.html`, isActive: true }], from, to), [
    { url: 'http://localhost:8002/a?b#c' }, { url: 'http://localhost:8003/' }, { url: 'https://example.org/' }, { url: `chrome-extension://${OTHER}/popup.html`, isActive: true }
  ])
  t.strictSame(tabsFor([{ url: `chrome-extension://${ID}/popup.html` }], from, { devServerPort: 8002 }), [], 'without an extension, its pages are left out')
})
