import { createHmac, timingSafeEqual } from 'node:crypto'

/** Signs short texts about sessions. What was signed for one purpose or session is not valid for another. */
export class Signer {
  readonly #secrets: () => readonly string[]
  readonly #purpose: string

  /** The first of the secrets signs; what any of them has signed is valid. */
  constructor (secrets: () => readonly string[], purpose: string) {
    this.#secrets = secrets
    this.#purpose = purpose
  }

  /** The text with its MAC: two base64url words with a dot between them. Everybody can read the text. */
  sign (sessionId: string, text: string): string {
    return this.#signWith(this.#secrets()[0]!, sessionId, text)
  }

  /** The text of the token; undefined unless this signer has signed it for this session. */
  read (token: string, sessionId: string): string | undefined {
    const text = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
    const shown = Buffer.from(token)
    const isSigned = this.#secrets().some(secret => {
      const wanted = Buffer.from(this.#signWith(secret, sessionId, text))
      return shown.length === wanted.length && timingSafeEqual(shown, wanted)
    })
    return isSigned ? text : undefined
  }

  #signWith (secret: string, sessionId: string, text: string): string {
    const key = createHmac('sha256', secret).update(this.#purpose).digest()
    const mac = createHmac('sha256', key).update(`${sessionId} ${text}`).digest('base64url')
    return `${mac}.${Buffer.from(text).toString('base64url')}`
  }
}
