/** What can be wrong with an extension. A warning is what Chromium, or whoever builds it, passes over. */
export const PROBLEM_KINDS = [
  'manifest-error', 'syntax-error', 'uncaught-exception', 'missing-file', 'refused-rule', 'build-error', 'wrong-template', 'not-reloaded', 'warning'
] as const

/** What part of an extension, or of its build, it concerns. */
export const PROBLEM_CONTEXTS = ['manifest', 'worker', 'content-script', 'page', 'build', 'install'] as const

/** One thing that is wrong with an extension. Its text is the session's. */
export interface Problem {
  kind: typeof PROBLEM_KINDS[number]
  /** For a person: in the words of Chromium or of the build. */
  message: string
  /** Relative to sourceDir. */
  file?: string
  /** Counted from 1, as columns are. */
  line?: number
  column?: number
  context?: typeof PROBLEM_CONTEXTS[number]
}
