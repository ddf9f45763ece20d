import admission from './admission.ts'
import alarms from './alarms.ts'
import channels from './channels.ts'
import creations from './creations.ts'
import drain from './drain.ts'
import reconciler from './reconciler.ts'
import rights from './rights.ts'
import routeSessions from './route-sessions.ts'
import sessions from './sessions.ts'
import sharedCreations from './shared-creations.ts'
import shutdown from './shutdown.ts'
import upgrades from './upgrades.ts'

/** Makes, finds and ends sessions. Each plugin comes after those that it needs. */
export default [channels, sessions, alarms, rights, routeSessions, admission, drain, creations, sharedCreations, reconciler, shutdown, upgrades]
