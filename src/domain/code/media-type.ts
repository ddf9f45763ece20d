/** What a content-type header says that something is, without parameters. */
export function mediaType (header: string | undefined): string {
  return header?.split(';')[0]?.trim().toLowerCase() ?? ''
}
