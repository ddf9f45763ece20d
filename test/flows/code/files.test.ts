import { mkdirSync, readdirSync, statSync } from 'node:fs'
import t from 'tap'
import { serve } from '#support/servers/creation.ts'
import { createSession, pushCode } from '#support/servers/server.ts'
import { firstLine, inside, jsonOf, pythonArgv, start } from '#support/sandbox.ts'

const PUSHES = 3000
const AT_ONCE = 6
const TRIES = 100_000

t.test('a session that swaps a folder for a link while code is pushed gets no file written outside', { timeout: 290_000 }, async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const a = await inside(t, server, session)
  const victim = '/run/victim' // a session sees nothing of the machine's root: the folder is in its own, where root alone may write, too
  const seen = `/proc/${a.init}/root${victim}`
  mkdirSync(seen)
  const { home } = a.facts.account
  const source = `${home}/extension` // of the template vanilla

  // one link leads to a folder of root's, one to a folder that the session itself may write to
  const made = await a.run(['sh', '-ec', `cd ${source}; mkdir sub sub2 ${home}/own; ln -s ${victim} link; ln -s ${home}/own link2`])
  t.strictSame([made.code, made.stderr], [0, ''], 'the folders and links are there')
  const flipping = () => a.start(pythonArgv('flipper.py', [[`${source}/sub`, `${source}/link`], [`${source}/sub2`, `${source}/link2`]]))
  const flipper = flipping()
  await firstLine(flipper)

  await t.test('3,000 pushes: each is done or refused, and nothing lands behind a link', async t => {
    const answers = new Map<string, number>()
    let next = 0
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (next < PUSHES) {
        const index = next++
        const response = await pushCode(server, { sessionId: session.id, filePath: `sub${index % 2 ? '2' : ''}/pushed-${index % 40}.js`, content: `// ${index}` })
        const { code = 'done' } = await response.json() as { code?: string }
        answers.set(code, (answers.get(code) ?? 0) + 1)
      }
    }))
    t.comment(Object.fromEntries(answers))
    t.ok((answers.get('done') ?? 0) > 50, 'control: pushes went through')
    t.ok((answers.get('EX10_PATH_SYMLINK') ?? 0) > 50, 'control: pushes met the link')
    t.strictSame(readdirSync(seen), [], 'nothing is in root\'s folder')
    const listed = await a.run(['ls', '-A', `${home}/own`])
    t.strictSame([listed.code, listed.stdout], [0, ''], 'nor in the session\'s other folder')
  })

  await t.test('a naive writer, run as root, is led out by the same program', async t => {
    const intoHome = ['nsenter', '-t', String(a.init), '--mount', '--wdns=/', '--'] // which is mounted there only
    const tries = await jsonOf(start(t, [...intoHome, ...pythonArgv('naive-writer.py', source, 'sub', victim, TRIES)]))
    const landed = readdirSync(seen)
    t.equal(landed.length, 1, `it wrote into root's folder at try ${tries}`)
    t.equal(statSync(`${seen}/${landed[0]}`).uid, 0, 'as root')
  })

  flipper.stdin.end()
})
