// Makes dist/ from src/. Put your own build in its place: whatever "build" in package.json runs, and wherever it writes
// a manifest.json.
import { cp, readFile, rm, writeFile } from 'node:fs/promises'

const { version } = JSON.parse(await readFile('package.json', 'utf8'))
const manifest = JSON.parse(await readFile('src/manifest.json', 'utf8'))

await rm('dist', { recursive: true, force: true })
await cp('src', 'dist', { recursive: true })
await writeFile('dist/manifest.json', JSON.stringify({ ...manifest, version }, null, 2))
