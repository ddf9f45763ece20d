import { isUnavailable } from './store-link.ts'

/** The longest time for which an answer counts after the store gave it. */
const FOR_MS = 600_000
/** The most answers that are kept. */
const MOST = 20_000

/**
 * The last answers of a store that may be away: while it is, the answer of the last ten minutes counts, so that users go on
 * who were let in before. An answer of `undefined` is not kept.
 */
export class LastAnswers<Answer> {
  readonly #answers = new Map<string, { answer: Answer, at: number }>() // the oldest first
  readonly #now: () => number
  #changes = 0

  constructor (now = () => performance.now()) {
    this.#now = now
  }

  /** The answer of the store, else the last one that it gave and that is still right (`isRight`). @throws {Ex10Error} EX10_STORE_UNAVAILABLE when there is none */
  async ask (question: string, ask: () => Promise<Answer | undefined>, isRight: (answer: Answer) => boolean): Promise<Answer | undefined> {
    const changes = this.#changes
    try {
      const answer = await ask()
      if (answer === undefined) this.#answers.delete(question)
      else if (changes === this.#changes) this.keep(question, answer) // otherwise it may have been given before the change
      return answer
    } catch (error) {
      const last = isUnavailable(error) ? this.last(question) : undefined
      if (last === undefined) throw error
      return isRight(last) ? last : undefined
    }
  }

  keep (question: string, answer: Answer): void {
    this.#answers.delete(question)
    this.#answers.set(question, { answer, at: this.#now() })
    if (this.#answers.size > MOST) this.#answers.delete(this.#answers.keys().next().value!)
  }

  /** The answer of the last ten minutes. */
  last (question: string): Answer | undefined {
    const kept = this.#answers.get(question)
    return kept && this.#now() - kept.at < FOR_MS ? kept.answer : undefined
  }

  /** Forgets the answers for which `isWrong` is true, after a change in the store. */
  forget (isWrong: (answer: Answer) => boolean): void {
    this.#changes++
    for (const [question, { answer }] of this.#answers) if (isWrong(answer)) this.#answers.delete(question)
  }
}
