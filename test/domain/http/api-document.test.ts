import t from 'tap'
import { withComponents } from '#domain/http/api-document.ts'

const answer = (schema: object) => ({ description: 'The answer', content: { 'application/json': { schema } } })
const refused = answer({ title: 'ErrorReply', type: 'object', description: 'A refusal' })
const documentOf = (...operations: object[]) => ({ components: { securitySchemes: {} }, paths: Object.fromEntries(operations.map((operation, index) => [`/${index}`, { get: operation }])) })
const words = (...values: string[]) => ({ title: 'Mode', description: 'How', anyOf: values.map(value => ({ type: 'string', enum: [value] })) })

t.test('what has a title is a component of that name, in bodies, in answers and in parameters', async t => {
  const link = { title: 'Link', type: 'object', properties: { title: { type: 'string' }, mode: words('view', 'control') } }
  const parameter = { name: 'mode', in: 'query', schema: { ...words('view', 'control'), description: undefined } }
  const { components, paths } = withComponents(documentOf(
    { parameters: [parameter], responses: { 200: answer({ type: 'array', items: link }) } },
    { requestBody: { content: { 'application/json': { schema: link } } }, responses: { 200: answer(link) } }
  )) as any
  t.strictSame(components, {
    securitySchemes: {},
    schemas: {
      Link: { type: 'object', properties: { title: { type: 'string' }, mode: { $ref: '#/components/schemas/Mode' } } },
      Mode: { type: 'string', enum: ['view', 'control'], description: 'How' }
    },
    responses: { Refusal: { description: 'Any other refusal', content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorReply' } } } } }
  })
  t.strictSame(paths['/0'].get.responses[200], answer({ type: 'array', items: { $ref: '#/components/schemas/Link' } }))
  t.strictSame(paths['/0'].get.parameters[0].schema, { $ref: '#/components/schemas/Mode' })
  t.strictSame(paths['/1'].get.requestBody.content['application/json'].schema, { $ref: '#/components/schemas/Link' })
})

t.test('two different types never have the same name', async t => {
  const other = answer(words('view', 'control', 'other'))
  t.throws(() => withComponents(documentOf({ responses: { 200: answer(words('view', 'control')) } }, { responses: { 200: other } })), /two schemas have the title Mode/)
})

t.test('refusals with one status are one answer, which names its codes', async t => {
  const { components, paths } = withComponents(documentOf({ responses: { 404: refused, 503: refused } }, { responses: { 404: refused } })) as any
  for (const path of ['/0', '/1']) t.strictSame(paths[path].get.responses[404], { $ref: '#/components/responses/NotFound' })
  t.match(components.responses.NotFound, { description: /`EX10_SESSION_NOT_FOUND`/, content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorReply' } } }, headers: undefined })
  t.match(components.responses.ServiceUnavailable, { description: /`EX10_NO_SLOT`/, headers: { 'Retry-After': {} } })
  for (const range of ['4XX', '5XX']) t.strictSame(paths['/0'].get.responses[range], { $ref: '#/components/responses/Refusal' }, 'and another may come')
})

t.test('an answer of its own keeps its description', async t => {
  const own = { description: 'A page', content: { 'text/html': { schema: { type: 'string' } } } }
  const { paths } = withComponents(documentOf({ responses: { 404: own, default: own } })) as any
  t.strictSame(paths['/0'].get.responses, { default: own, 404: own })
})

t.test('a field of a body that has a default need not be sent', async t => {
  const schema = { type: 'object', properties: { width: { type: 'integer', default: 1280, description: 'Pixels' } } }
  const { paths } = withComponents(documentOf({ requestBody: { content: { 'application/json': { schema } } }, responses: {} })) as any
  t.strictSame(paths['/0'].get.requestBody.content['application/json'].schema.properties, { width: { type: 'integer', description: 'Pixels; 1280 if absent' } })
})
