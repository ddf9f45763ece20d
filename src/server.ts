import closeWithGrace from 'close-with-grace'
import pino from 'pino'
import { buildApp } from './app.ts'
import { BadSetting, readConfig, type Config } from './config.ts'
import { ClaimRefused } from './system/instances.ts'

const SHUTDOWN_MS = 30_000

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
  const address = await app.listen({ host: config.host, port: config.port })
  printAddress(config, address)
}

function printAddress (config: Config, address: string): void {
  process.stdout.write(`\nEx10 is ready: ${config.publicUrl || address}\nAPI documentation: ${config.publicUrl || address}/docs\n\n`)
}

try {
  await main()
} catch (error) {
  const oneLine = error instanceof BadSetting || error instanceof ClaimRefused
  process.stderr.write(`ex10: ${oneLine ? error.message : (error as Error).stack}\n`)
  process.exit(1)
}
