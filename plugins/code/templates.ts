import { fileURLToPath } from 'node:url'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { failure, StartRefused } from '#errors.ts'
import { loadTemplates, type LoadedTemplate } from '#system/code/templates.ts'

declare module 'fastify' {
  interface FastifyInstance {
    templates: {
      /**
       * The template called `name`, or the default one.
       * @throws {Ex10Error} EX10_UNKNOWN_TEMPLATE, listing the known ones
       */
      get (name?: string): LoadedTemplate
      has (name: string): boolean
    }
  }
}

const FOLDER = fileURLToPath(new URL('../../templates', import.meta.url))

async function templates (app: FastifyInstance): Promise<void> {
  const known = await loadTemplates(FOLDER, app.instance.folder.templates)

  if (!known.has(app.config.template)) {
    throw new StartRefused(`EX10_TEMPLATE=${app.config.template} cannot be used: there are ${[...known.keys()].join(', ')}`)
  }
  app.decorate('templates', { get, has: (name: string) => known.has(name) })

  function get (name = app.config.template): LoadedTemplate {
    const template = known.get(name)
    if (template) return template
    const names = [...known.keys()]
    throw failure('UNKNOWN_TEMPLATE', { message: `There is no such template; there are: ${names.join(', ')}`, details: { templates: names } })
  }
}

export default fp(templates, { name: 'templates', dependencies: ['config', 'instance'] })
