import type { ProviderSession } from '#domain/access/login.ts'

/**
 * The SQL condition that what `column` holds as JSON came of a session at the provider; `bindingsOf` says which. What came
 * of one of which no `sid` is known may be of any session of that person's.
 */
export function isOfSession (column: string): string {
  return `(${column} ->> 'issuer' = :issuer
    AND (:subject IS NULL OR ${column} ->> 'subject' = :subject)
    AND (:sid IS NULL OR ${column} ->> 'sid' = :sid OR (:subject IS NOT NULL AND ${column} ->> 'sid' IS NULL)))`
}

export function bindingsOf ({ issuer, subject, sid }: ProviderSession): Record<string, string | null> {
  return { issuer, subject: subject ?? null, sid: sid ?? null }
}
