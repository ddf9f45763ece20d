import codeUpdates from './code-updates.ts'
import files from './files.ts'
import problemNews from './problem-news.ts'
import templates from './templates.ts'
import uploads from './uploads.ts'

/** Templates and pushed code. Each plugin comes after those that it needs. */
export default [templates, codeUpdates, files, uploads, problemNews]
