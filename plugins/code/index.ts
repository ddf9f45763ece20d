import activities from './activities.ts'
import codeUpdates from './code-updates.ts'
import files from './files.ts'
import history from './history.ts'
import problemNews from './problem-news.ts'
import rollbacks from './rollbacks.ts'
import templates from './templates.ts'
import uploads from './uploads.ts'

/** Templates and pushed code. Each plugin comes after those that it needs. */
export default [templates, history, codeUpdates, rollbacks, activities, files, uploads, problemNews]
