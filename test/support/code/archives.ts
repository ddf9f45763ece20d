import { crc32, deflateRawSync, gzipSync } from 'node:zlib'

/** An entry as the archive is to tell it, true or not. */
export interface Entry {
  name: string | Buffer
  content?: string | Buffer
  /** Of a zip, the mode of Unix; of a tar, the type: '5' is a folder, '2' a link. */
  mode?: number
  type?: string
  linkTo?: string
  /** What a zip says that is not so. */
  size?: number
  crc?: number
  flags?: number
  method?: number
  localName?: string
}

/** A zip, made by hand. */
export function zip (entries: Entry[], { comment = '', count = entries.length } = {}): Buffer {
  const locals: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const { name, content = '', mode = 0, size, crc, flags = 0x800, method = 8, localName } of entries) {
    const bytes = Buffer.from(content)
    const packed = method === 8 ? deflateRawSync(bytes) : bytes
    const head = Buffer.alloc(26)
    head.writeUInt16LE(20, 0)
    head.writeUInt16LE(flags, 2)
    head.writeUInt16LE(method, 4)
    head.writeUInt32LE(crc ?? crc32(bytes), 10)
    head.writeUInt32LE(packed.length, 14)
    head.writeUInt32LE(size ?? bytes.length, 18)
    head.writeUInt16LE(Buffer.from(name).length, 22)
    const inner = Buffer.from(head)
    inner.writeUInt16LE(Buffer.from(localName ?? name).length, 22)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), inner, Buffer.from(localName ?? name), packed])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE((mode << 16) >>> 0, 6)
    tail.writeUInt32LE(offset, 10)
    central.push(Buffer.from('PK\x01\x02'), Buffer.from([20, 3]), head, tail, Buffer.from(name))
    locals.push(local)
    offset += local.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(count & 0xffff, 4)
  end.writeUInt16LE(count & 0xffff, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(offset, 12)
  end.writeUInt16LE(comment.length, 16)
  return Buffer.concat([...locals, directory, Buffer.from('PK\x05\x06'), end, Buffer.from(comment)])
}

/** A tar, made by hand. */
export function tar (entries: Entry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(1024)])
}

export function tarEntry ({ name, content = '', mode = 0o644, type = '0', linkTo = '', size }: Entry): Buffer {
  const bytes = Buffer.from(content)
  const head = Buffer.alloc(512)
  Buffer.from(name).copy(head, 0, 0, 100)
  head.write(`${mode.toString(8).padStart(7, '0')}\0${'0'.repeat(7)}\0${'0'.repeat(7)}\0`, 100)
  if (size !== undefined && size < 0) head.fill(0xff, 124, 136)
  else head.write(`${(size ?? bytes.length).toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0`, 124)
  head.write(' '.repeat(8) + type, 148)
  head.write(linkTo.slice(0, 100), 157)
  head.write('ustar\x0000', 257)
  const sum = head.reduce((total, byte) => total + byte, 0)
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([head, bytes, Buffer.alloc((512 - bytes.length % 512) % 512)])
}

export const tgz = (entries: Entry[]) => gzipSync(tar(entries))

/** A header of pax, which goes before the entry that it is about. */
export function pax (values: Record<string, string>): Entry {
  const lines = Object.entries(values).map(([key, value]) => {
    const rest = Buffer.from(` ${key}=${value}\n`)
    let length = rest.length
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length
    return Buffer.concat([Buffer.from(String(length)), rest])
  })
  return { name: 'pax', type: 'x', content: Buffer.concat(lines) }
}

const HEADER = Buffer.from('a header')

/** A CRX, as Chromium packs it; nobody checks its signature here. */
export function crx (archive: Buffer, { version = 3, length = HEADER.length } = {}): Buffer {
  const head = Buffer.alloc(12)
  head.write('Cr24')
  head.writeUInt32LE(version, 4)
  head.writeUInt32LE(length, 8)
  return Buffer.concat([head, HEADER, archive])
}
