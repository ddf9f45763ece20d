import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import ts from 'typescript'
import { parseAllDocuments } from 'yaml'
import { readConfig } from '#config.ts'
import { openKeys } from '#stores/sqlite/keys.ts'

interface Document { apiVersion: string, kind: string, metadata: { name: string } }
interface Model { new (data: object): { validate (): void } }

const FILE = 'docker/kubernetes.yaml'

/** YAML 1.1, as Kubernetes reads it: 0400 is octal. */
function read (text: string): Document[] {
  return parseAllDocuments(text, { version: '1.1', schema: 'yaml-1.1' }).map(document => {
    if (document.errors.length > 0) throw document.errors[0]
    return document.toJS() as Document
  })
}

const moduleOf = ({ apiVersion, kind }: Document) => `kubernetes-models/${apiVersion}/${kind}`

/** What the published schemas say against the documents: values and required fields by their validators, unknown fields by their types. */
async function faultsOf (documents: Document[]): Promise<string[]> {
  const faults = await Promise.all(documents.map(async document => {
    try {
      const models = await import(moduleOf(document)) as Record<string, Model>
      new models[document.kind]!(document).validate()
      return []
    } catch (error) {
      return [`${document.kind} ${document.metadata.name}: ${(error as Error).message}`]
    }
  }))
  return [...faults.flat(), ...unknownFields(documents)]
}

/** Type-checks each document as a literal of its interface, where a field that the schema does not know is an error. */
function unknownFields (documents: Document[]): string[] {
  const name = `${process.cwd()}/test/kubernetes-documents.ts` // only in memory
  const text = documents.map((document, index) => `import type { I${document.kind} as Type${index} } from '${moduleOf(document)}'
export const document${index}: Type${index} = ${JSON.stringify(document)}`).join('\n')
  const options = { strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ['lib.es2023.d.ts'], module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2023 }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, readFile, fileExists } = host
  host.fileExists = file => file === name || fileExists(file)
  host.readFile = file => file === name ? text : readFile(file)
  host.getSourceFile = (file, version, ...rest) => file === name ? ts.createSourceFile(file, text, version) : getSourceFile(file, version, ...rest)
  return ts.getPreEmitDiagnostics(ts.createProgram([name], options, host)).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}

const text = readFileSync(FILE, 'utf8')
const documents = read(text)
const find = (kind: string, name = 'ex10') => documents.find(document => document.kind === kind && document.metadata.name === name) as any

t.test('each document of docker/kubernetes.yaml is what Kubernetes\' own schemas say, and a wrong field would be noticed', async t => {
  t.strictSame(documents.map(({ kind }) => kind), ['Namespace', 'ConfigMap', 'Service', 'Service', 'Service', 'Ingress', 'PodDisruptionBudget', 'StatefulSet'])
  t.strictSame(await faultsOf(documents), [])
  const unknown: [string, string, RegExp][] = [
    ['readinessProbe:', 'readinesProbe:', /'"readinesProbe"' does not exist/],
    ['clusterIP: None', 'clusterIp: None', /'"clusterIp"' does not exist/]
  ]
  const wrong: [string, string, RegExp][] = [
    ['containerPort: 3001', 'containerPort: "3001"', /containerPort must be integer/],
    ['privileged: true', 'privileged: "true"', /privileged must be boolean/],
    ['maxUnavailable: 1', 'maxUnavailable: []', /maxUnavailable must be string/],
    ['pathType: Prefix', '', /must have required property pathType/]
  ]
  for (const mistakes of [unknown, wrong]) {
    for (const [right] of mistakes) t.ok(text.includes(right), right)
    const faults = (await faultsOf(read(mistakes.reduce((text, [right, mistake]) => text.replace(right, mistake), text)))).join('\n')
    for (const [, mistake, message] of mistakes) t.match(faults, message, mistake)
  }
})

t.test('its documents fit together, and its settings and commands are those of the server', async t => {
  const { spec } = find('StatefulSet')
  const [container] = spec.template.spec.containers
  const names = Array.from({ length: spec.replicas }, (_, ordinal) => `ex10-${ordinal}`)
  for (const name of names) {
    t.match(find('Service', name).spec, { selector: { 'statefulset.kubernetes.io/pod-name': name }, publishNotReadyAddresses: true }, `${name} has a Service`)
  }
  t.strictSame(find('Ingress').spec.rules.map((rule: any) => rule.http.paths[0].backend.service.name), names)
  t.strictSame(spec.selector.matchLabels, spec.template.metadata.labels)
  t.strictSame(find('Service').spec.selector, spec.selector.matchLabels)
  const settings = { ...find('ConfigMap').data, EX10_PUBLIC_URL: container.env.at(-1).value.replace('$(POD_NAME)', 'ex10-0') }
  t.match(readConfig(settings), { auth: 'keys', host: '0.0.0.0', publicUrl: 'https://ex10-0.ex10.example.org' }, 'the server takes them')
  t.equal(container.ports[0].containerPort, readConfig({}).port)
  t.equal(container.volumeMounts[0].mountPath, readConfig({}).dataDir)
  const wait = Number(container.lifecycle.preStop.exec.command.at(-1))
  t.ok(spec.template.spec.terminationGracePeriodSeconds >= wait + 300, 'the pod has the time for its drain, and for the server\'s end')
})

t.test('the init container gives the server the key of the Secret, once, and no key that others could read', async t => {
  const folder = mkdtempSync('/var/lib/ex10-test/kubernetes-')
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = `${folder}/admin`
  const [{ command: [, ...argv] }] = find('StatefulSet').spec.template.spec.initContainers
  const run = () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...argv.slice(0, -1), file], { encoding: 'utf8', env: { EX10_DATA_DIR: `${folder}/data` } })
    return { status, stdout, stderr }
  }
  const [made = ''] = /printf .*(?= > admin)/.exec(text) ?? []
  const secret = execFileSync('sh', ['-c', made], { encoding: 'utf8' })
  t.match(secret, /^ex10_[\w-]{43}$/, 'the command at its head makes a key')
  writeFileSync(file, secret, { mode: 0o400 })
  t.match(run(), { status: 0, stdout: '', stderr: /^Key \w+ of admin \(admin: .*admin\) is the one in / })
  t.match(run(), { status: 0, stdout: '', stderr: /^Key \w+ of admin is there already\n$/ }, 'as at the start of a later pod')
  const keys = await openKeys(`${folder}/data/keys.db`)
  t.match(await keys.find(secret), { user: 'admin', role: 'admin' })
  t.equal((await keys.list()).length, 1)
  await keys.close()
  chmodSync(file, 0o444)
  t.match(run(), { status: 1, stderr: /users other than root can read it/ })
  writeFileSync(file, 'secret')
  chmodSync(file, 0o400)
  t.match(run(), { status: 1, stderr: /holds no key/ })
})
