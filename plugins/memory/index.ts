import archives from './archives.ts'
import browserContents from './browser-contents.ts'
import erasure from './erasure.ts'
import leases from './leases.ts'
import leavings from './leavings.ts'
import points from './points.ts'
import profiles from './profiles.ts'
import recovery from './recovery.ts'
import remembering from './remembering.ts'
import restarts from './restarts.ts'
import retention from './retention.ts'
import snapshots from './snapshots.ts'
import state from './state.ts'

/** What a session remembers: state, recovery points, archives. Each plugin comes after those that it needs. */
export default [state, browserContents, restarts, leases, profiles, snapshots, leavings, recovery, remembering, points, retention, erasure, archives]
