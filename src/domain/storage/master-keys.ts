import { keyOf, type Key } from './envelope.ts'

/** The keys that wrap the data keys. */
export interface MasterKeys {
  /** The key that wraps a new data key. */
  newest (): Key
  /** The key with this id, also one that another process has just added. */
  find (id: string): Key | undefined
}

/** One key of the key file. */
export interface KeptKey { key: Key, madeAt: Date }

const ABOUT = '# Master keys of Ex10, the newest first: id, time, key. Without them, nothing that was sealed with them can be read. Keep a copy elsewhere.\n'

/** The content of a key file. */
export function keyFileText (keys: readonly KeptKey[]): string {
  return ABOUT + keys.map(({ key, madeAt }) => `${key.id} ${madeAt.toISOString()} ${key.bytes.toString('base64url')}\n`).join('')
}

/** The keys of a key file. @throws {Error} that says what is wrong with it */
export function readKeyFile (text: string): KeptKey[] {
  const lines = text.split('\n').map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#'))
  const keys = lines.map((line, index) => {
    const [id, time = '', secret = '', ...rest] = line.split(/\s+/)
    const [madeAt, bytes] = [new Date(time), Buffer.from(secret, 'base64url')]
    if (rest.length > 0 || bytes.length !== 32 || Number.isNaN(madeAt.getTime()) || keyOf(bytes).id !== id) throw new Error(`its key ${index + 1} is damaged`)
    return { key: keyOf(bytes), madeAt }
  })
  if (keys.length === 0) throw new Error('it holds no key')
  return keys
}
