import restarts from './restarts.ts'
import retention from './retention.ts'

/** What a session remembers: state, recovery points, archives. Each plugin comes after those that it needs. */
export default [restarts, retention]
