import type { ProviderSession } from '#domain/access/login.ts'

/**
 * The SQL condition that the opener in `column`, stored as JSON, belongs to the session at the provider whose values are in
 * `bindingsOf`. An opener without a `sid` may belong to any session of its person.
 */
export function isOfSession (column: string): string {
  return `(${column} ->> 'issuer' = :issuer
    AND (:subject IS NULL OR ${column} ->> 'subject' = :subject)
    AND (:sid IS NULL OR ${column} ->> 'sid' = :sid OR (:subject IS NOT NULL AND ${column} ->> 'sid' IS NULL)))`
}

export function bindingsOf ({ issuer, subject, sid }: ProviderSession): Record<string, string | null> {
  return { issuer, subject: subject ?? null, sid: sid ?? null }
}
