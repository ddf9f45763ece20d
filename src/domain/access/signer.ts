import { createHmac, timingSafeEqual } from 'node:crypto'

/** Signs short texts about sessions. What was signed for one purpose or session is not valid for another. */
export class Signer {
  readonly #key: Buffer

  constructor (secret: string, purpose: string) {
    this.#key = createHmac('sha256', secret).update(purpose).digest()
  }

  /** The text with its MAC: two base64url words with a dot between them. Everybody can read the text. */
  sign (sessionId: string, text: string): string {
    const mac = createHmac('sha256', this.#key).update(`${sessionId} ${text}`).digest('base64url')
    return `${mac}.${Buffer.from(text).toString('base64url')}`
  }

  /** The text of the token; undefined unless this signer has signed it for this session. */
  read (token: string, sessionId: string): string | undefined {
    const text = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
    const [shown, wanted] = [token, this.sign(sessionId, text)].map(text => Buffer.from(text))
    return shown!.length === wanted!.length && timingSafeEqual(shown!, wanted!) ? text : undefined
  }
}
