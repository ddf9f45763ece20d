import { enterOwnMachine } from '#support/containers/own-machine.ts'

// apart from the tests of containers: without the layers of an earlier run, the build takes minutes
enterOwnMachine(import.meta.filename)
const { default: t } = await import('tap')
const { buildImage, IMAGE, importBase } = await import('#support/containers/image.ts')
const { HERE, podman, removeContainers } = await import('#support/containers/podman.ts')

t.before(removeContainers) // of an aborted run

t.test('the image is built from a clean checkout, has at most 1.3 GB, and holds what runs and nothing else', { timeout: 470_000 }, async t => {
  await importBase(t)
  await buildImage(t)
  const size = Number(await podman('image', 'inspect', '--format={{.Size}}', IMAGE))
  t.comment(`${Math.round(size / 1e6)} MB`)
  t.ok(size < 1.3e9, 'at most 1.3 GB')
  const list = (await podman('run', '--rm', '--network=none', ...HERE, '--entrypoint=find', IMAGE, '/', '-xdev', '-not', '-path', '/proc/*')).split('\n')
  t.ok(list.includes('/opt/ex10/src/server.ts') && list.includes('/usr/bin/chromium'), 'the files were found')
  const foreign = /^\/(opt\/ex10\/test|opt\/ex10\/node_modules\/(tap|typescript|eslint|playwright-core)|root\/\.npm|usr\/bin\/(npm|gcc|make|git)|run\/secrets\/.)|npmrc$|-cache\/_cacache/
  t.strictSame(list.filter(path => foreign.test(path)), [], 'no build tool, test, cache or secret')
  t.notMatch(await podman('image', 'inspect', IMAGE), /NODE_EXTRA_CA_CERTS=/, 'and no setting of the machine that built it')
})
