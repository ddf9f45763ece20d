import type { FastifyPluginAsync } from 'fastify'

export default [] satisfies FastifyPluginAsync[]
