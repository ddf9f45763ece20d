import { randomBytes } from 'node:crypto'
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

const HEAD_BYTES = 16

/** Content that is kept until its session can receive it. */
export interface Upload {
  /** Its first bytes. */
  head: Buffer
  content (): AsyncIterable<Buffer>
  /** Frees its disk space. */
  release (): Promise<void>
}

/** Makes the folder for uploads, and empties it. */
export async function makeUploadFolder (folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { mode: 0o700 })
}

/** Keeps the content in a file without a name, so the kernel removes it when this process ends. @throws errors of the content */
export async function keepUpload (folder: string, content: AsyncIterable<Uint8Array>): Promise<Upload> {
  const path = join(folder, randomBytes(8).toString('hex'))
  const file = await open(path, 'wx+', 0o600)
  try {
    await rm(path)
    await file.writeFile(content)
    return { head: await headOf(file), content: () => file.createReadStream({ start: 0, autoClose: false }), release: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function headOf (file: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
  return buffer.subarray(0, bytesRead)
}
