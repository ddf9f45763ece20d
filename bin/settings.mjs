// Checks the settings. Prints one line on standard error and exits with 1 for an unusable one; else prints nothing.
import { readConfig } from '#config.ts'

try {
  readConfig(process.env)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
