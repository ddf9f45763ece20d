/**
 * A table as CSV of RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe before it: names come from
 * users and providers.
 */
export function csvOf (rows: readonly (readonly (string | number)[])[]): string {
  return rows.map(row => row.map(cellOf).join(',') + '\r\n').join('')
}

function cellOf (value: string | number): string {
  if (typeof value === 'number') return String(value)
  const text = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value
  return /[",\r\n]|^'|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
