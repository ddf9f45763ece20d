import neostandard from 'neostandard'

const names = ['chrome', 'document', 'window', 'location', 'navigator', 'WebSocket', 'addEventListener', 'removeEventListener', 'Utilities', 'XpraClient', 'XpraWindow']
const browser = Object.fromEntries(names.map(name => [name, 'readonly']))

export default [
  ...neostandard({ ts: true, noJsx: true, ignores: ['.tap/', 'node_modules/', 'coverage/'] }),
  // a TypeBox schema and its type share a name
  { files: ['**/*.ts'], rules: { '@typescript-eslint/no-redeclare': 'off', 'no-redeclare': 'off' } },
  { files: ['templates/*/extension/**', 'src/pages/*/client/**', 'test/fixtures/**'], languageOptions: { globals: browser } }
]
