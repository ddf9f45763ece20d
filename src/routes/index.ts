import accessRoutes from './access/index.ts'
import codeRoutes from './code/index.ts'
import displayRoutes from './display/index.ts'
import memoryRoutes from './memory/index.ts'
import operationsRoutes from './operations/index.ts'
import sessionsRoutes from './sessions/index.ts'

/** Every route of the API. */
export const routes = [...sessionsRoutes, ...codeRoutes, ...memoryRoutes, ...displayRoutes, ...operationsRoutes, ...accessRoutes]
