import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import { buildApp } from './app.ts'
import { readConfig, type Config } from './config.ts'
import { StartRefused } from './errors.ts'

const SHUTDOWN_MS = 60_000

/** Reads the environment, starts the server, and ends it and its sessions at SIGINT and SIGTERM. */
async function main (): Promise<void> {
  const config = readConfig(process.env)
  const log = pino({ level: config.logLevel })
  const app = await buildApp(config, log)
  closeWithGrace({ delay: SHUTDOWN_MS, logger: log }, async ({ err }) => {
    // after an error that nobody caught, sessions stay: the next start decides about them
    if (err) log.fatal({ err }, 'uncaught error')
    else await app.close()
  })
  printAddress(config, await listen(app, config))
}

/** Returns the address that it listens on; a server that cannot listen gives back what it has claimed. */
async function listen (app: FastifyInstance, { host, port }: Config): Promise<string> {
  try {
    return await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') throw new StartRefused(`EX10_PORT=${port} cannot be used: somebody listens there; end that, or give another port`, { cause })
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') throw new StartRefused(`EX10_HOST=${host} cannot be used: it is no address of this machine`, { cause })
    throw cause
  }
}

function printAddress (config: Config, address: string): void {
  process.stdout.write(`\nEx10 is ready: ${config.publicUrl || address}\nAPI documentation: ${config.publicUrl || address}/docs\n\n`)
}

try {
  await main()
} catch (error) {
  process.stderr.write(`ex10: ${error instanceof StartRefused ? error.message : (error as Error).stack}\n`)
  process.exit(1)
}
