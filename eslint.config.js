import neostandard from 'neostandard'

const names = ['chrome', 'document', 'window', 'location', 'navigator', 'WebSocket', 'addEventListener', 'removeEventListener', 'Utilities', 'XpraClient', 'XpraWindow']
const browser = Object.fromEntries(names.map(name => [name, 'readonly']))

export default [
  ...neostandard({ ts: true, noJsx: true, ignores: ['.tap/', 'node_modules/', 'coverage/'] }),
  // a promise is true: without `await`, this would let everybody in, and the type check says nothing
  {
    rules: {
      'no-restricted-syntax': ['error', ...['> CallExpression', '> ChainExpression > CallExpression'].map(path => ({
        selector: `UnaryExpression[operator="!"] ${path}[callee.property.name=/^(holds|isInForce|vouches|end|remove)$/]`,
        message: 'Await the answer'
      }))]
    }
  },
  // a TypeBox schema and its type share a name
  { files: ['**/*.ts'], rules: { '@typescript-eslint/no-redeclare': 'off', 'no-redeclare': 'off' } },
  { files: ['templates/*/extension/**', 'src/pages/*/client/**', 'test/fixtures/**'], languageOptions: { globals: browser } }
]
