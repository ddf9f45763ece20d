const MESSAGE_LENGTH = 1000

/** The project cannot be built, for a reason that concerns the person. */
export class Failure extends Error {
  constructor (problems) {
    super(problems[0].message)
    this.problems = problems
  }
}

/** A failure with one problem; `where`: its file, line, column. */
export function failed (context, message, where = {}) {
  return new Failure([buildError(context, message, where)])
}

/** A problem that keeps the extension from being built: `context` is install or build. */
export function buildError (context, message, where = {}) {
  return { kind: 'build-error', message: message.slice(0, MESSAGE_LENGTH), ...where, context }
}
