import { enterOwnMachine } from '#support/containers/own-machine.ts'

enterOwnMachine(import.meta.filename)
const { default: t } = await import('tap')
const { buildImage, IMAGE, importBase } = await import('#support/containers/image.ts')
const { start, whatIsLeft } = await import('#support/containers/container.ts')
const { podman, removeContainers } = await import('#support/containers/podman.ts')
const { launchViewer, showsPicture } = await import('#support/display/viewer.ts')
const { read } = await import('#support/servers/client.ts')
const { pastEvents } = await import('#support/servers/events.ts')
const { createSession, endSession, eventually, pushCode } = await import('#support/servers/server.ts')

t.before(removeContainers) // of an aborted run
t.teardown(removeContainers)

t.test('the image is built from a clean checkout, has at most 1.3 GB, and holds what runs and nothing else', { timeout: 900_000 }, async t => {
  await importBase(t)
  const printed = await buildImage(t)
  const size = printed.findLast(line => line.startsWith('ex10: the image has '))
  t.comment(size)
  t.ok(Number(await podman('image', 'inspect', '--format={{.Size}}', IMAGE)) < 1.3e9, 'at most 1.3 GB')
  const list = (await podman('run', '--rm', '--network=none', '--ulimit=host', '--entrypoint=find', IMAGE, '/', '-xdev', '-not', '-path', '/proc/*')).split('\n')
  t.ok(list.includes('/opt/ex10/src/server.ts') && list.includes('/usr/bin/chromium'), 'the files were found')
  const foreign = /^\/(opt\/ex10\/test|opt\/ex10\/node_modules\/(tap|typescript|eslint|playwright-core)|root\/\.npm|usr\/bin\/(npm|gcc|make|git)|run\/secrets\/.)|npmrc$|-cache\/_cacache/
  t.strictSame(list.filter(path => foreign.test(path)), [], 'no build tool, test, cache or secret')
  t.notMatch(await podman('image', 'inspect', IMAGE), /NODE_EXTRA_CA_CERTS=/, 'and no setting of the machine that built it')
})

t.test('a session in a container is viewed and pushed to, outlives its server, and leaves nothing on the host when the container stops', { timeout: 200_000 }, async t => {
  const { server, exec } = await start(t, 'ex10')
  t.match((await read(server, '/health')).isolation, { firewall: 'nftables', home: 'image', limits: ['cpu', 'memory', 'pids'] }, 'all limits are in force')
  const session = await createSession(server)
  const page = await (await launchViewer(t)).newPage()
  await page.goto(server.url)
  await page.fill('#key', server.headers!.authorization!.split(' ')[1]!)
  await page.click('#login button')
  await page.waitForSelector('#create:visible')
  await page.goto(session.url)
  await showsPicture(page)
  const pushed = await pushCode(server, { sessionId: session.id, filePath: 'background.js', content: 'self.token = 1', wait: true })
  t.match(await pushed.json(), { success: true, version: 1, loaded: true, problems: [] })

  await exec('pkill', '-KILL', '--full', '^node src/server.ts')
  await eventually('the session is adopted', async () => (await pastEvents(server, session.id).catch(() => [])).some(({ type }) => type === 'adopted'), 30_000)
  await showsPicture(page, 20_000)
  t.match(await (await pushCode(server, { sessionId: session.id, filePath: 'background.js', content: 'self.token = 2', wait: true })).json(), { success: true, version: 1, loaded: true }, 'the next server goes on with it')
  await page.close()

  t.equal(await server.stop(), 0, 'the container ends with 0, the session with it')
  t.strictSame(await whatIsLeft(), [], 'no process, mount, loop device, cgroup or firewall rule is left')
})

t.test('two containers side by side do not disturb each other', { timeout: 200_000 }, async t => {
  const [one, two] = await Promise.all([start(t, 'ex10one'), start(t, 'ex10two')])
  const [first, second] = await Promise.all([createSession(one.server), createSession(two.server)])
  for (const { server } of [one, two]) t.strictSame(await read(server, '/admin/audit'), { leaked: [], missing: [] }, 'neither sees anything of the other')
  t.equal((await endSession(one.server, first.id)).status, 200)
  t.equal(await one.server.stop(), 0)
  t.match(await (await pushCode(two.server, { sessionId: second.id, filePath: 'background.js', content: '', wait: true })).json(), { loaded: true }, 'when one has gone, the other works on')
  t.strictSame(await read(two.server, '/admin/audit'), { leaked: [], missing: [] })
  t.equal(await two.server.stop(), 0)
  t.strictSame(await whatIsLeft(), [])
})
