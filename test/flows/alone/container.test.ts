import { enterOwnMachine } from '#support/containers/own-machine.ts'

enterOwnMachine(import.meta.filename)
const { default: t } = await import('tap')
const { buildImage, IMAGE, importBase } = await import('#support/containers/image.ts')
const { commandsOf, start, whatIsLeft } = await import('#support/containers/container.ts')
const { HERE, podman, removeContainers } = await import('#support/containers/podman.ts')
const { launchViewer, showsPicture } = await import('#support/display/viewer.ts')
const { read } = await import('#support/servers/client.ts')
const { pastEvents } = await import('#support/servers/events.ts')
const { createSession, endSession, eventually, pushCode } = await import('#support/servers/server.ts')

const ALL_IN_FORCE = { firewall: 'nftables', home: 'image', limits: ['cpu', 'memory', 'pids'], seccomp: 'filter' }

t.before(async () => {
  await removeContainers() // of an aborted run
  await importBase(t)
  await buildImage(t)
})
t.teardown(removeContainers)

t.test('a session in a container is viewed and pushed to, outlives its server, and leaves nothing on the host when the container stops', { timeout: 200_000 }, async t => {
  const { server, exec } = await start(t, 'ex10')
  t.match((await read(server, '/health')).isolation, ALL_IN_FORCE)
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
  t.match(await (await pushCode(server, { sessionId: session.id, filePath: 'background.js', content: 'self.token = 2', wait: true })).json(), { success: true, version: 2, loaded: true }, 'the next server goes on with it')
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
  await podman('kill', 'ex10two')
  await podman('start', 'ex10two')
  await two.isReady()
  t.strictSame(await read(two.server, '/sessions'), { sessions: [] }, 'a container that was killed comes back without its session')
  t.strictSame(await read(two.server, '/admin/audit'), { leaked: [], missing: [] }, 'and has cleaned up after it')
  t.equal(await two.server.stop(), 0)
  t.strictSame(await whatIsLeft(), [])
})

t.test('without --privileged, the capabilities and devices that docs/container.md names are enough', { timeout: 100_000 }, async t => {
  const { server } = await start(t, 'ex10', commandsOf('docs/container.md').find(words => words.includes('--cap-drop')))
  t.match((await read(server, '/health')).isolation, ALL_IN_FORCE)
  const session = await createSession(server)
  t.strictSame(await read(server, '/admin/audit'), { leaked: [], missing: [] })
  t.equal((await endSession(server, session.id)).status, 200)
  t.equal(await server.stop(), 0)
})

t.test('a container that was given too little says what that costs, and with EX10_STRICT=1 does not start', { timeout: 60_000 }, async t => {
  const failure = await podman('run', '--rm', '--network=none', ...HERE, '--env=EX10_STRICT=1', IMAGE).catch(error => error)
  t.equal(failure.code, 1)
  for (const part of ['mount', 'firewall', 'loop devices', 'cgroups']) t.match(failure.stderr, new RegExp(`^ex10: ${part}: .+\\. Cost: .+\\. Needed: .+$`, 'm'), part)
  t.match(failure.stderr, /^ex10: EX10_STRICT=1 cannot be kept: this container lacks mount, .*$/m)
})
