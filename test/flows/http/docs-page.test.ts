import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { launchViewer } from '#support/display/viewer.ts'
import { serve } from '#support/servers/creation.ts'

t.test('the page of the API works under its own policy, and no other site can show it in a frame', async t => {
  const server = await serve(t)
  const browser = await launchViewer(t)

  await t.test('"Execute" sends a request and shows the answer; the browser finds nothing against the policy', async t => {
    const page = await browser.newPage()
    const faults: string[] = []
    page.on('console', message => { if (message.type() === 'error') faults.push(message.text()) })
    page.on('pageerror', error => faults.push(error.message))
    const answer = await page.goto(`${server.url}/docs`)
    t.match(answer?.headers(), { 'content-security-policy': /default-src 'none'/, 'x-content-type-options': 'nosniff' })
    const operation = page.locator('.opblock', { has: page.locator('[data-path="/health"]') })
    await operation.locator('.opblock-summary-control').click()
    await operation.getByRole('button', { name: 'Try it out' }).click()
    await operation.getByRole('button', { name: 'Execute' }).click()
    t.match(await operation.locator('.live-responses-table .response-col_description .highlight-code').first().textContent(), /"status": "ok"/)
    t.strictSame(faults, [])
  })

  await t.test('in a frame of another site it stays empty', async t => {
    const site = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(`<iframe src="${server.url}/docs"></iframe>`)).listen(0, '127.0.0.1')
    t.teardown(() => site.close())
    await once(site, 'listening')
    const page = await browser.newPage()
    const refusal = page.waitForEvent('console', message => message.text().includes('frame-ancestors'))
    await page.goto(`http://localhost:${(site.address() as AddressInfo).port}/`)
    t.ok(await refusal, 'the browser says why')
  })
})
