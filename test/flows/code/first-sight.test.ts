import t from 'tap'
import { openDevTools } from '#support/display/devtools.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually } from '#support/servers/server.ts'
import { hasColour, launchViewer, openDisplay } from '#support/display/viewer.ts'

/** Where the extension's parts are in a picture of 1280 × 800: the badge of its content script, and its icon in the toolbar. */
const BADGE = { x: 1074, y: 768, colour: [31, 41, 55] }
const ICON = { x: 1131, y: 63 }
const ICON_EDGE = { x: 1126, y: 57, colour: [107, 107, 107] }
const TIMES = 3

t.test('a new session shows at once what its extension does', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const devTools = await openDevTools(t, server, session)
  const page = await openDisplay(await launchViewer(t), session.url, { width: 1280, height: 800 })

  await t.test('its content script acts on the page that is open, which says what to do next', async t => {
    await eventually('the badge in the picture', () => hasColour(page, BADGE.colour, BADGE.x, BADGE.y), 20_000)
    const tab = await devTools.firstTab()
    t.match(await tab.evaluate('document.body.innerText'), /Push a change of its code, and this page shows it\./)
    t.equal(await tab.evaluate('document.querySelector("#my-extension").textContent'), 'Hello from my extension')
    t.notOk(await hasColour(page, BADGE.colour, BADGE.x, BADGE.y - 100), 'control: the colour is the badge\'s only')
  })

  await t.test('its icon is in the toolbar, and one click on it opens the popup, each time', async t => {
    t.ok(await hasColour(page, ICON_EDGE.colour, ICON_EDGE.x, ICON_EDGE.y), 'the icon is in the picture')
    const popups = async () => (await devTools.targets()).filter(({ url }) => url.endsWith('/popup.html'))
    for (let time = 0; time < TIMES; time++) {
      await page.mouse.click(ICON.x, ICON.y)
      const popup = await eventually('the popup', async () => (await popups())[0], 10_000)
      const shown = await devTools.attach(popup.targetId)
      await eventually('its text', async () => /My extension\s+Hello from my extension\s+Version 0\.1\.0/.test(String(await shown.evaluate('document.body.innerText'))), 10_000)
      await page.keyboard.press('Escape')
      await eventually('the popup is closed', async () => (await popups()).length === 0, 10_000)
    }
    t.pass(`${TIMES} times`)
  })

  t.equal((await endSession(server, session.id)).status, 200)
})
