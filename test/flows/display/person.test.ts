import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import t from 'tap'
import { openDevTools, type Tab } from '#support/display/devtools.ts'
import { startRelay } from '#support/faults/relay.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually } from '#support/servers/server.ts'
import { countColours, hasColour, launchViewer, openDisplay, showsPicture, statusOf } from '#support/display/viewer.ts'

const PAGE = 'http://page.test/'
const word = () => randomBytes(6).toString('hex').replace(/\d/g, digit => 'ghijklmnop'[Number(digit)]!)

// a page inside the session's browser: it turns into a colour when the word that was asked for stands in its field
const HTML = `<!doctype html><title>A page</title>
<input style="position: fixed; left: 40px; top: 40px; width: 500px; height: 40px">
<script>
  const field = document.querySelector('input')
  let wanted
  function want (word, colour) { wanted = [word, colour]; field.value = ''; field.blur() }
  field.addEventListener('input', () => { if (wanted && field.value === wanted[0]) document.body.style.background = wanted[1] })
  const clicks = []
  addEventListener('click', event => clicks.push([event.clientX, event.clientY]))
</script>`

/** Where the page begins below the browser's own bars. */
const topOf = (tab: Tab) => tab.evaluate('outerHeight - innerHeight') as Promise<number>
const sizeOf = (tab: Tab) => tab.evaluate('outerWidth + "x" + outerHeight')
const valueOf = (tab: Tab) => tab.evaluate('field.value')

/** How much smaller the viewer sees the picture than the session draws it. */
const scaleOf = (page: Page) => page.evaluate(`(() => {
  const canvas = document.querySelector('.window canvas')
  return canvas.getBoundingClientRect().width / canvas.width
})()`) as Promise<number>

async function clickField (page: Page, tab: Tab): Promise<void> {
  const scale = await scaleOf(page)
  await page.mouse.click(200 * scale, (60 + await topOf(tab)) * scale)
  await eventually('the field has the focus', () => tab.evaluate('document.activeElement === field'), 30_000)
}

t.test('A person uses the session\'s browser in any web page', async t => {
  const server = await serve(t)
  const relay = await startRelay(t, server.url)
  const session = await createSession(server)
  const devTools = await openDevTools(t, server, session)
  const tab = await devTools.firstTab()
  await tab.visit(PAGE, HTML)
  const browser = await launchViewer(t)
  const page = await openDisplay(browser, session.url)
  const relayed = await openDisplay(browser, `${relay.url}/session/${session.id}/`, { width: 900, height: 600 })

  await t.test('the address of a session leads to its page', async t => {
    t.equal(page.url(), `${session.url}index.html`)
    t.equal(await page.title(), 'A page - Chromium – Ex10', 'which has the title of the remote window')
  })

  await t.test('what is typed arrives, and the picture changes for both of two viewers', async t => {
    for (const [typist, colour] of [[page, [18, 196, 86]], [relayed, [200, 40, 120]]] as const) {
      const typed = word()
      await tab.evaluate(`want('${typed}', 'rgb(${colour})')`)
      t.notOk(await hasColour(page, [...colour]) || await hasColour(relayed, [...colour]), 'before')
      await clickField(typist, tab)
      await typist.keyboard.type(typed, { delay: 20 })
      await eventually('the word', async () => await valueOf(tab) === typed, 30_000).catch(() => {})
      t.equal(await valueOf(tab), typed, 'the word is in the session\'s page')
      for (const viewer of [page, relayed]) await eventually('the colour', () => hasColour(viewer, [...colour]), 30_000)
    }
  })

  await t.test('text that no key types arrives as well', async t => {
    await tab.evaluate('want("", "")')
    await clickField(page, tab)
    await page.keyboard.insertText('naïve 日本 🎉')
    await eventually('the text', async () => await valueOf(tab) === 'naïve 日本 🎉', 30_000).catch(() => {})
    t.equal(await valueOf(tab), 'naïve 日本 🎉')
  })

  await t.test('the browser follows the size of the page: the last one to resize wins', async t => {
    for (const [viewer, width, height] of [[page, 1000, 700], [relayed, 1300, 800], [page, 1600, 1000]] as const) {
      await viewer.setViewportSize({ width, height })
      await eventually(`${width}x${height}`, async () => await sizeOf(tab) === `${width}x${height}`, 30_000).catch(() => {})
      t.equal(await sizeOf(tab), `${width}x${height}`)
    }
    const box = await eventually('the picture fits', () => relayed.evaluate(`(() => {
      const { left, top, right, bottom } = document.querySelector('.window canvas').getBoundingClientRect()
      return left >= 0 && top >= 0 && right <= innerWidth + 1 && bottom <= innerHeight + 1
    })()`), 30_000)
    t.ok(box, 'the smaller viewer sees all of it')
  })

  await t.test('a click at the bottom right of a 1600×1000 page lands there', async t => {
    await tab.evaluate('clicks.length = 0')
    await page.mouse.click(1597, 996)
    const expected = [1597, 996 - await topOf(tab)]
    await eventually('the click', () => tab.evaluate('clicks.length > 0'), 30_000).catch(() => {})
    t.strictSame(await tab.evaluate('clicks.at(-1)'), expected, 'where it was made')
    // the other viewer sees the same picture smaller: its corner is the same place
    const scale = await scaleOf(relayed)
    await tab.evaluate('clicks.length = 0')
    await relayed.mouse.click(1500 * scale, 900 * scale)
    await eventually('the click', () => tab.evaluate('clicks.length > 0'), 30_000)
    const [x = 0, y = 0] = await tab.evaluate('clicks.at(-1)') as number[]
    t.ok(Math.abs(x - 1500) <= 2 && Math.abs(y - 900 + await topOf(tab)) <= 2, `also in a picture that is shown smaller: ${x}, ${y}`)
  })

  await t.test('text goes in and out by the clipboard, with the usual keys, for whoever acts', async t => {
    const pad = await (await browser.newContext()).newPage()
    await pad.setContent('<textarea autofocus></textarea>')
    for (const viewer of [page, relayed]) {
      const own = word()
      await pad.bringToFront()
      await pad.fill('textarea', own)
      await pad.press('textarea', 'Control+a')
      await pad.press('textarea', 'Control+c')
      await tab.evaluate('want("", "")')
      await viewer.bringToFront()
      await clickField(viewer, tab)
      await viewer.keyboard.press('Control+v')
      await eventually('the pasted text', async () => await valueOf(tab) === own, 30_000).catch(() => {})
      t.equal(await valueOf(tab), own, 'the person\'s text was pasted into the session')

      const theirs = word()
      await tab.evaluate(`field.value = '${theirs}'; field.select()`)
      await viewer.evaluate('document.addEventListener("copy", event => { globalThis.copied = event.clipboardData.getData("text/plain") })')
      await viewer.keyboard.press('Control+c')
      await eventually('the text at the page', async () => await viewer.evaluate('globalThis.copied') === theirs, 30_000).catch(() => {})
      await pad.bringToFront()
      await pad.fill('textarea', '')
      await pad.press('textarea', 'Control+v')
      t.equal(await pad.inputValue('textarea'), theirs, 'the session\'s text was copied by the person')
    }
    await pad.context().close()
    await page.bringToFront()
  })

  await t.test('there is a picture of it: the extension at work in a page, and its popup', async t => {
    await page.setViewportSize({ width: 1200, height: 750 })
    await tab.visit('http://news.test/', ARTICLE)
    await eventually('the badge', () => tab.evaluate('document.querySelector("#my-extension") !== null'), 30_000)
    const popup = await devTools.openPopup('http://news.test/')
    await eventually('the popup', () => popup.evaluate('document.querySelector("#version").textContent'), 30_000)
    // its white on the page's grey
    await eventually('the popup in the picture', () => hasColour(page, [255, 255, 255], 1030, 190), 30_000)
    const picture = await page.screenshot()
    t.ok(await countColours(page) > 50, 'it is not blank')
    t.ok(picture.length > 20_000 && picture.length < 200_000, `${picture.length} bytes`)
    if (process.env.EX10_TEST_IMAGES) await writeFile('docs/images/session.png', picture)
    await devTools.send('Target.closeTarget', { targetId: popup.targetId })
    await tab.visit(PAGE, HTML)
  })

  await t.test('after 30 s without a network the page comes back by itself, and says so until then', async t => {
    await relay.cut()
    await eventually('the page says it', async () => await statusOf(relayed) === 'Reconnecting…', 60_000)
    t.ok(await countColours(relayed) > 1, 'over the last picture')
    await delay(30_000)
    t.equal(await statusOf(relayed), 'Reconnecting…', 'it does not give up')
    await relay.mend()
    await eventually('a new picture', async () => await statusOf(relayed) === '', 60_000)
    await showsPicture(relayed)
    const typed = word()
    await tab.evaluate(`want('${typed}', 'rgb(90, 90, 200)')`)
    await clickField(relayed, tab)
    await relayed.keyboard.type(typed, { delay: 20 })
    await eventually('the colour', () => hasColour(relayed, [90, 90, 200]), 30_000)
    t.equal(await valueOf(tab), typed, 'and one can type in it')
  })

  await t.test('when the session has ended, the page says so', async t => {
    t.equal((await endSession(server, session.id)).status, 200)
    for (const viewer of [page, relayed]) {
      await eventually('the page says it', async () => await statusOf(viewer) === 'This session has ended.', 60_000).catch(() => {})
      t.equal(await statusOf(viewer), 'This session has ended.')
    }
  })
})

const ARTICLE = `<!doctype html><title>The Daily Harbour</title>
<style>
  html { background: #e9e6df }
  body { margin: 0 auto; max-width: 760px; padding: 32px; font: 17px/1.6 Georgia, serif; color: #222; background: #fdfcf9 }
  h1 { font-size: 38px; line-height: 1.2; margin: 12px 0 }
  small { color: #777; font-family: sans-serif; letter-spacing: .06em }
  figure { margin: 0; height: 190px; border-radius: 6px; background: linear-gradient(#f3b27a, #e0796a 45%, #35547a 46%, #1f3350) }
</style>
<small>THE DAILY HARBOUR</small>
<h1>The lighthouse keeper retires</h1>
<figure></figure>
<p>Every evening at dusk the lamp was lit, and every morning it was put out again. On Friday the keeper of the north
lighthouse did both for the last time, and handed over the key.</p>
<p>“I will miss the quiet,” she said. “The rest can be automated.”</p>`
