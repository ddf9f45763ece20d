import archives from './archives.ts'
import deleteState from './delete-state.ts'
import eraseUser from './erase-user.ts'
import getState from './get-state.ts'
import getSnapshot from './get-snapshot.ts'
import issueRecoveryToken from './issue-recovery-token.ts'
import listRecoverable from './list-recoverable.ts'
import listStateVersions from './list-state-versions.ts'
import patchState from './patch-state.ts'
import putState from './put-state.ts'
import restoreState from './restore-state.ts'

export default [getSnapshot, getState, putState, patchState, deleteState, listStateVersions, restoreState, listRecoverable, issueRecoveryToken, eraseUser, archives]
