/** How the values of many sessions are spread, in a bounded number of figures. */
export interface Spread { sum: number, max: number, p90: number, median: number }

/** The spread of the values; undefined when there are none. */
export function spreadOf (values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]!
  return { sum: values.reduce((sum, value) => sum + value, 0), max: at(1), p90: at(0.9), median: at(0.5) }
}
