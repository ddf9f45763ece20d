import restarts from './restarts.ts'
import state from './state.ts'

/** What a session remembers: state, recovery points, archives. Each plugin comes after those that it needs. */
export default [state, restarts]
