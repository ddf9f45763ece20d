import type { ApiKey } from '#domain/access/api-key.ts'
import type { KeyView } from '#schemas/key.ts'

/** An API key as admins see it. */
export function viewKey ({ id, user, role, scopes, createdAt, expiresAt, revokedAt, lastUsedAt }: ApiKey): KeyView {
  return {
    id,
    user,
    role,
    scopes: [...scopes],
    createdAt: createdAt.toISOString(),
    ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
    ...(revokedAt && { revokedAt: revokedAt.toISOString() }),
    ...(lastUsedAt && { lastUsedAt: lastUsedAt.toISOString() })
  }
}
