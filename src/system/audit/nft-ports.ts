import { deleteOwnPorts, readTable } from '../nft.ts'
import { CommandFailed } from '../run.ts'
import type { OpenPorts } from './place.ts'

/** The open ports of an instance's nft table. */
export function nftPorts (table: string): OpenPorts {
  return {
    async read () {
      try {
        return (await readTable(table)).own
      } catch (error) {
        if (error instanceof CommandFailed && /No such file or directory/.test(error.stderr)) return undefined // no such table
        throw error
      }
    },
    close: (port, signal) => deleteOwnPorts(table, [port], signal)
  }
}
