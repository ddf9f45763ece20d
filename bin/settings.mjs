// Says in one line on standard error which setting cannot be used, and exits with 1; says nothing when all can.
import { readConfig } from '#config.ts'

try {
  readConfig(process.env)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
