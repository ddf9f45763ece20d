import { access, readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { TEMPLATE_KINDS, type Template } from '#domain/session.ts'
import { StartRefused } from '#errors.ts'

const Folder = Type.String({ pattern: '^[a-z0-9-]+$', description: 'Relative to the home' })

/** The content of `template.json`. */
const TemplateFile = Type.Object({
  title: Type.String(),
  description: Type.String(),
  kind: Type.Union(TEMPLATE_KINDS.map(kind => Type.Literal(kind))),
  devServer: Type.String({ pattern: '^[a-z0-9-]+$', description: 'A folder in dev-servers/' }),
  build: Type.Optional(Type.Array(Type.String(), { minItems: 1, description: 'argv that builds $SOURCE into $OUT, at set-up, so that a new session need not build' })),
  dev: Type.Array(Type.String(), { minItems: 1, description: 'argv of the dev server, run in the home; $PORT stands for its port, $STORE for the folder where it is installed' }),
  release: Type.Optional(Type.Array(Type.String(), { minItems: 1, description: 'argv that builds $SOURCE into $OUT for a store, in a session; absent when extensionDir is ready for a store' })),
  sourceDir: Folder,
  extensionDir: Folder
}, { additionalProperties: false })

/** A template with the files that a session begins with. Their paths are relative to the home. */
export interface LoadedTemplate extends Template {
  files: { path: string, content: Buffer }[]
}

/** The folder in a dev server's store where set-up puts the builds of the templates. */
const BUILT = 'built'

/**
 * Reads all templates from their folder. Set-up must have installed the dev server of each in its store.
 * @throws when a template is not valid, or not installed
 */
export async function loadTemplates (folder: string, stores: string): Promise<Map<string, LoadedTemplate>> {
  const entries = await readdir(folder, { withFileTypes: true })
  const templates = await Promise.all(entries.filter(entry => entry.isDirectory()).map(({ name }) => loadTemplate(folder, stores, name)))
  return new Map(templates.map(template => [template.name, template]))
}

async function loadTemplate (folder: string, stores: string, name: string): Promise<LoadedTemplate> {
  const settings: unknown = JSON.parse(await readFile(join(folder, name, 'template.json'), 'utf8'))
  const wrong = Value.Errors(TemplateFile, settings).First()
  if (wrong) throw new Error(`templates/${name}/template.json: ${wrong.path} ${wrong.message}`)
  const { build, ...template } = Value.Decode(TemplateFile, settings)
  const store = join(stores, template.devServer)
  const sources = await readFolder(join(folder, name, 'extension'), template.sourceDir)
  try {
    await access(store)
    const built = build ? await readFolder(join(store, BUILT, name), template.extensionDir) : []
    return { name, ...template, files: [...sources, ...built] }
  } catch (cause) {
    throw new StartRefused(`the template ${name} is not installed: run "npm start" as root, which installs it`, { cause })
  }
}

/** All files below `folder`, with paths below `as`. */
async function readFolder (folder: string, as: string): Promise<LoadedTemplate['files']> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return await Promise.all(entries.filter(entry => entry.isFile()).map(async ({ parentPath, name }) => {
    const path = join(parentPath, name)
    return { path: join(as, relative(folder, path)), content: await readFile(path) }
  }))
}
