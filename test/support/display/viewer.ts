import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { eventually } from '#support/servers/server.ts'

/** The person's browser. It leaves nothing in the home and the temporary folder of who runs the tests. */
export async function launchViewer (t: Test): Promise<Browser> {
  const home = mkdtempSync(join(tmpdir(), 'ex10-viewer-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true, maxRetries: 3 }))
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'], env: { ...process.env, HOME: home, TMPDIR: home } })
  t.teardown(() => browser.close()) // before its home goes: the last teardown is the first to run
  return browser
}

/** Opens a session's display page and waits for its first picture. */
export async function openDisplay (browser: Browser, url: string, { width = 1200, height = 750 } = {}): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height } })
  await page.goto(url)
  await showsPicture(page)
  return page
}

/** What the page says over the picture; empty while there is nothing to say. */
export async function statusOf (page: Page): Promise<string> {
  return page.evaluate('document.getElementById("status")?.textContent ?? "no page"').catch(() => 'no page') as Promise<string>
}

export async function showsPicture (page: Page, ms = 60_000): Promise<void> {
  await eventually('a picture of the session', async () => await statusOf(page) === '' && await countColours(page) > 1, ms)
}

/** How many colours the picture has, of a coarse sample: one says that it is blank. */
export async function countColours (page: Page): Promise<number> {
  return page.evaluate(`(() => {
    const canvas = document.querySelector('.window canvas')
    if (!canvas) return 0
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    const colours = new Set()
    for (let i = 0; i < data.length; i += 4 * 7) colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2])
    return colours.size
  })()`) as Promise<number>
}

/** Whether the viewer's picture has about this colour at a place. */
export async function hasColour (page: Page, [red, green, blue]: number[], x = 700, y = 400): Promise<boolean> {
  return page.evaluate(`(() => {
    const canvas = document.querySelector('.window canvas')
    const { data } = canvas.getContext('2d').getImageData(${x}, ${y}, 1, 1)
    return [${red}, ${green}, ${blue}].every((value, i) => Math.abs(value - data[i]) < 12)
  })()`) as Promise<boolean>
}
