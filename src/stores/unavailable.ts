import { failure, type Ex10Error } from '#errors.ts'

/**
 * The error of a store that does not answer, or cannot write at the moment. Of the cause, only the message is kept: clients put
 * commands with their arguments beside it, and one of them is the password.
 */
export function unavailable (error: unknown): Ex10Error {
  return failure('STORE_UNAVAILABLE', { cause: new Error(textOf(error)) })
}

/** The message of an error; of an AggregateError without one, that of its first error. */
export function textOf (error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return textOf(error.errors[0])
  const { message, code } = error as NodeJS.ErrnoException
  return message || code || String(error)
}

/** The address of a store, without user and password. */
export function shownUrl (url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}
