// What the terminal commands for operators share (npm run keys, npm run admin): they need root, take a command word, and
// say in one line why they cannot do it.
import { parseArgs } from 'node:util'

/** The command cannot be carried out: the message is all that the operator reads. */
export class Refused extends Error {}

/**
 * Runs the command that the first word of the command line names, as `run(command, values, words)`, with the options'
 * values and the other words. Prints what went wrong, and then exits with 1.
 */
export async function runCommand ({ commands, options, usage, whyRoot }, run) {
  try {
    if (process.getuid() !== 0) throw new Refused(`root is needed: ${whyRoot}`)
    const { positionals: [name, ...words], values } = parse(options, usage)
    if (!Object.hasOwn(commands, name ?? '')) throw new Refused(usage)
    await run(commands[name], values, words)
  } catch (error) {
    console.error(error instanceof Refused ? error.message : `ex10: ${error.message}`)
    process.exitCode = 1
  }
}

function parse (options, usage) {
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (error) {
    throw new Refused(`${error.message}\n${usage}`)
  }
}
