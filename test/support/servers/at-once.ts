/** Does `work` for each index below `count`, at most `width` of them side by side; resolves with what they returned, in order. */
export async function atOnce<T> (width: number, count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  let next = 0
  await Promise.all(Array.from({ length: Math.min(width, count) }, async () => {
    for (let index = next++; index < count; index = next++) results[index] = await work(index)
  }))
  return results
}
