import type { FastifyPluginAsync } from 'fastify'

/** What a session remembers: state, recovery points, archives. Each plugin comes after those that it needs. */
export default [] satisfies FastifyPluginAsync[]
