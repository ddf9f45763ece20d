import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { programText } from '#system/code/session-program.ts'
import { UID } from './file-writer.ts'
import { start } from '#support/sandbox.ts'

const PROGRAM = programText('file-paths.py', 'transfer-folder.py', 'archive-reader.py', 'file-transfer.py')

/** A line of the program's answer. */
export interface Line { error?: string, path?: string, name?: string, folder?: true, size?: number, hash?: string, modified?: number, truncated?: boolean, done?: true }

/** Starts the program on this home, as its uid; `prefix` goes before it, as root. */
export function startTransfer (t: Test, home: string, request: object, prefix: string[] = []) {
  return start(t, [...prefix, 'setpriv', `--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', '--no-new-privs', '--bounding-set=-all', '--',
    'env', '-i', `HOME=${home}`, 'LANG=C.UTF-8', '/usr/bin/python3', '-I', '-S', '-c', PROGRAM, JSON.stringify(request)])
}

/** The content as the program takes it. */
export function frames (content: Buffer, pieceBytes = 65536): Buffer {
  const framed: Buffer[] = []
  for (let at = 0; at < content.length; at += pieceBytes) {
    const piece = content.subarray(at, at + pieceBytes)
    const head = Buffer.alloc(4)
    head.writeUInt32BE(piece.length)
    framed.push(head, piece)
  }
  return Buffer.concat([...framed, Buffer.alloc(4)])
}

/** Lets the program do it from its start to its end; `look` is called when it has said what it has to say, and its files are there. */
export async function transferred (t: Test, home: string, request: object, content?: Buffer, { prefix = [] as string[], look = () => {} } = {}): Promise<Line[]> {
  const child = startTransfer(t, home, request, prefix)
  const errors = text(child.stderr)
  if (content) child.stdin.write(frames(content)) // else it would take it for the end
  let said = ''
  child.stdout.on('data', chunk => {
    said += chunk
    if (!/"(?:error|done|truncated)"|^\{"size"[^\n]*\n/.test(said.slice(-300))) return
    look()
    child.stdin.end()
  })
  await new Promise(resolve => child.once('close', resolve))
  if (await errors) throw new Error(`it printed ${await errors}`)
  return said.trimEnd().split('\n').map(line => JSON.parse(line) as Line)
}
