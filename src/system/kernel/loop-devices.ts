import { readdir } from 'node:fs/promises'
import { textOf } from './gone.ts'

/** A loop device and its file, by the path that the kernel gives: not the whole path while its mount is being removed. */
export interface LoopDevice { device: string, file: string }

/** Every loop device of the machine that has a file. */
export async function loopDevices (): Promise<LoopDevice[]> {
  const names = (await readdir('/sys/block')).filter(name => /^loop\d+$/.test(name))
  const found = await Promise.all(names.map(async name => {
    const text = await textOf(`/sys/block/${name}/loop/backing_file`)
    return text ? [{ device: `/dev/${name}`, file: text.trimEnd().replace(/ \(deleted\)$/, '') }] : []
  }))
  return found.flat()
}
