import activities from './activities.ts'
import deleteFile from './delete-file.ts'
import diffVersions from './diff-versions.ts'
import exportFiles from './export-files.ts'
import getFile from './get-file.ts'
import getVersionFile from './get-version-file.ts'
import importFiles from './import-files.ts'
import labelVersion from './label-version.ts'
import listFiles from './list-files.ts'
import listVersionFiles from './list-version-files.ts'
import listVersions from './list-versions.ts'
import putFile from './put-file.ts'
import rollback from './rollback.ts'
import updateCode from './update-code.ts'

export default [
  updateCode, listFiles, getFile, putFile, deleteFile, importFiles, exportFiles,
  listVersions, labelVersion, listVersionFiles, getVersionFile, diffVersions, rollback, activities
]
