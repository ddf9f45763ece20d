import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The text of a program: its files joined in this order, because a session cannot read our folder. */
export function programText (...files: string[]): string {
  return files.map(file => readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8')).join('')
}

/** The argv that runs such a text in a sandbox. */
export function pythonArgv (program: string, ...args: string[]): string[] {
  return ['python3', '-I', '-S', '-c', program, ...args]
}
