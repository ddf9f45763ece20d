import { dirname } from 'node:path'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { listSettings, readConfig, type Config } from './config.ts'
import { shownAs, StartRefused } from './errors.ts'
import { openLog } from './log.ts'
import { version } from './version.ts'

const SHUTDOWN_MS = 300_000 // ending hundreds of sessions takes long
const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

const USAGE = 'usage: npm start\n\nServes until SIGINT or SIGTERM. Takes no arguments but --help and --version: its settings are environment variables.'

/** Handles the command line. @throws {StartRefused} when it has other words than --help and --version */
async function run (words: readonly string[]): Promise<void> {
  if (words.length === 0) return await main()
  const unknown = words.find(word => !['--help', '-h', '--version'].includes(word))
  if (unknown !== undefined) throw new StartRefused(`unknown argument "${unknown}"\n${USAGE}`)
  process.stdout.write(words.includes('--version') ? `${version}\n` : `${USAGE}\n\n${listSettings()}\n`)
}

/** Reads the environment, starts the server, and ends it and its sessions at SIGINT and SIGTERM. */
async function main (): Promise<void> {
  const config = readConfig(process.env)
  const { log, written } = openLog(config.logLevel)
  try {
    const app = await buildApp(config, log)
    const { close } = closeWithGrace({ delay: SHUTDOWN_MS, logger: log, skip: [...END_SIGNALS] }, async ({ err }) => {
      // after an uncaught error, sessions stay: the next start adopts or ends them
      if (err) log.fatal({ err }, 'uncaught error')
      else await app.close()
      await written()
    })
    onFirst(END_SIGNALS, close)
    printAddress(config, await listen(app, config))
  } catch (error) {
    await written()
    throw explain(error, config)
  }
}

/** A start that fails for a full disk is refused in one line. Returns other errors as they are. */
function explain (error: unknown, { dataDir }: Config): unknown {
  if (error instanceof StartRefused || shownAs(error, 'INTERNAL').code !== 'EX10_NO_DISK') return error
  const { path } = error as NodeJS.ErrnoException
  return new StartRefused(`the disk of ${path === undefined ? dataDir : dirname(path)} is full: free some space there, then start again`, { cause: error })
}

/** Ends the server at the first of these signals. Further ones are ignored: npm repeats the signal that a terminal has sent already. */
function onFirst (signals: readonly NodeJS.Signals[], end: () => void): void {
  let isEnding = false
  for (const signal of signals) {
    process.on(signal, () => {
      if (!isEnding) end() // the process exits at its end
      isEnding = true
    })
  }
}

/** Returns the address that the server listens on. A server that cannot listen is closed, and so releases its claims. */
async function listen (app: FastifyInstance, { host, port }: Config): Promise<string> {
  try {
    return await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') throw new StartRefused(`EX10_PORT=${port} cannot be used: another program listens there; end that program, or give another port`, { cause })
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') throw new StartRefused(`EX10_HOST=${host} cannot be used: it is not an address of this machine`, { cause })
    throw cause
  }
}

function printAddress (config: Config, address: string): void {
  process.stdout.write(`\nEx10 is ready: ${config.publicUrl || address}\nAPI documentation: ${config.publicUrl || address}/docs\n\n`)
}

try {
  await run(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`ex10: ${error instanceof StartRefused ? error.message : (error as Error).stack}\n`)
  process.exit(1)
}
