/** The media type of a content-type header, without parameters. */
export function mediaType (header: string | undefined): string {
  return header?.split(';')[0]?.trim().toLowerCase() ?? ''
}
