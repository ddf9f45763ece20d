import { textOf } from './gone.ts'

/** A System V object: shared memory, a set of semaphores, or a message queue. */
export interface SysvObject {
  kind: 'shm' | 'sem' | 'msg'
  id: number
  /** The uid that owns it, and the one that made it. */
  uids: number[]
}

/** The System V objects of the host: proc_sysvipc(5). None where the kernel lacks System V IPC. */
export async function sysvObjects (): Promise<SysvObject[]> {
  const tables = await Promise.all((['shm', 'sem', 'msg'] as const).map(async kind => {
    const [head = [], ...rows] = (await textOf(`/proc/sysvipc/${kind}`) ?? '').trimEnd().split('\n').map(line => line.trim().split(/\s+/))
    const field = (row: string[], name: string) => Number(row[head.indexOf(name)])
    return rows.map(row => ({ kind, id: field(row, `${kind}id`), uids: [field(row, 'uid'), field(row, 'cuid')] }))
  }))
  return tables.flat()
}
