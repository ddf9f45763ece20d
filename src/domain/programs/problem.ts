/** The kinds of problems of an extension. A warning stops neither Chromium nor the build. */
export const PROBLEM_KINDS = [
  'manifest-error', 'syntax-error', 'uncaught-exception', 'missing-file', 'refused-rule', 'build-error', 'wrong-template', 'not-reloaded', 'warning'
] as const

/** The part of an extension, or of its build, that has a problem. */
export const PROBLEM_CONTEXTS = ['manifest', 'worker', 'content-script', 'page', 'build', 'install'] as const

/** One problem of an extension. Its text comes from the session. */
export interface Problem {
  kind: typeof PROBLEM_KINDS[number]
  /** A text for people, from Chromium or the build. */
  message: string
  /** Relative to sourceDir. */
  file?: string
  /** Counted from 1, as columns are. */
  line?: number
  column?: number
  context?: typeof PROBLEM_CONTEXTS[number]
}
