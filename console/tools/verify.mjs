// Checks what `npm run build` left in dist/, where unit tests cannot look:
//
// - no page costs more than the budget on a first visit;
// - every design token that theme/tokens.ts uses is defined in the built style sheets;
// - nothing needs a looser Content-Security-Policy than the server sends;
// - THIRD-PARTY.md lists exactly the packages in the build (`--write` updates it).

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as tokens from '@cloudscape-design/design-tokens'

/** First visit of a page: document, scripts, styles and fonts, brotli where it helps. */
const PAGE_BUDGET = 520 * 1024
const CHUNK_BUDGET = 800 * 1024

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const failures = []

if (!existsSync(join(dist, 'index.html'))) {
  process.stderr.write('dist/ is missing; run `npm run build` first\n')
  process.exit(1)
}

const files = readdirSync(dist, { recursive: true }).filter((name) => statSync(join(dist, name)).isFile())
const styles = files.filter((name) => name.endsWith('.css')).map((name) => readFileSync(join(dist, name), 'utf8')).join('\n')

checkBudget()
checkTokens()
checkPolicy()
checkThirdParty(process.argv.includes('--write'))

for (const failure of failures) process.stderr.write(`${failure}\n`)
process.exit(failures.length > 0 ? 1 : 0)

function wireSize(name) {
  const path = join(dist, name)
  return statSync(existsSync(`${path}.br`) ? `${path}.br` : path).size
}

function checkBudget() {
  const manifest = JSON.parse(readFileSync(join(root, 'node_modules/.cache/manifest.json'), 'utf8'))
  const reach = (entry, found = new Set(), chunks = new Set()) => {
    if (chunks.has(entry)) return found
    chunks.add(entry)
    const chunk = manifest[entry]
    for (const file of [chunk.file, ...(chunk.css ?? []), ...(chunk.assets ?? [])]) found.add(file)
    for (const other of chunk.imports ?? []) reach(other, found, chunks)
    return found
  }
  const pages = Object.keys(manifest).filter((entry) => /^src\/pages\/.*Page\.tsx$/.test(entry))
  if (pages.length === 0) failures.push('the manifest has no pages')
  for (const page of pages) {
    const needed = new Set(['index.html', ...reach('index.html'), ...reach(page), ...files.filter((name) => name.endsWith('.woff2'))])
    const size = [...needed].reduce((sum, name) => sum + wireSize(name), 0)
    process.stdout.write(`${page}: ${(size / 1024).toFixed(0)} KiB on a first visit\n`)
    if (size > PAGE_BUDGET) failures.push(`${page} costs ${size} bytes on a first visit; the budget is ${PAGE_BUDGET}`)
  }
  for (const name of files.filter((file) => file.endsWith('.js'))) {
    const { size } = statSync(join(dist, name))
    if (size > CHUNK_BUDGET) failures.push(`${name} has ${size} bytes; a chunk may have ${CHUNK_BUDGET}`)
  }
}

function checkTokens() {
  const defined = new Set([...styles.matchAll(/(--[\w-]+)\s*:/g)].map(([, name]) => name))
  const used = [...readFileSync(join(root, 'src/theme/tokens.ts'), 'utf8').matchAll(/tokens\.(\w+)/g)].map(([, name]) => name)
  if (used.length === 0) failures.push('src/theme/tokens.ts uses no tokens')
  for (const name of used) {
    const variable = /^var\((--[\w-]+)/.exec(tokens[name] ?? '')?.[1]
    if (!variable || !defined.has(variable)) {
      failures.push(`design token ${name} (${variable}) is not in the built styles: the versions of components and design-tokens do not fit together`)
    }
  }
  // Our own variables too: a misspelt one would silently be no colour at all.
  const own = readdirSync(join(root, 'src/theme')).filter((name) => name.endsWith('.css')).map((name) => readFileSync(join(root, 'src/theme', name), 'utf8')).join('\n')
  const declared = new Set([
    ...[...own.matchAll(/(--[\w-]+)\s*:/g)].map(([, name]) => name),
    ...[...readFileSync(join(root, 'src/theme/tokens.ts'), 'utf8').matchAll(/'(--[\w-]+)'/g)].map(([, name]) => name),
    '--depth', // Set on each row of the timeline.
  ])
  for (const [, name] of own.matchAll(/var\((--[\w-]+)/g)) {
    if (!declared.has(name)) failures.push(`src/theme uses ${name}, which nothing declares`)
  }
}

function checkPolicy() {
  const page = readFileSync(join(dist, 'index.html'), 'utf8')
  if (/<script(?![^>]*\bsrc=)[^>]*>/.test(page) || /<style|\son\w+=|\sstyle=/.test(page)) failures.push('index.html has inline scripts or styles')
  if (/url\(["']?data:(?!image\/)/.test(styles)) failures.push('the styles hold data: addresses other than images; fonts must be files')
  const fonts = files.filter((name) => name.endsWith('.woff2'))
  if (fonts.length !== 2) failures.push(`expected the two faces of Open Sans as files, found ${fonts.length}`)
}

function checkThirdParty(write) {
  const path = join(root, 'THIRD-PARTY.md')
  const table = readFileSync(join(dist, 'third-party.md'), 'utf8').split('\n---\n')[0]
  if (write) writeFileSync(path, table)
  if (!existsSync(path) || readFileSync(path, 'utf8') !== table) failures.push('THIRD-PARTY.md differs from the packages in the build; run `npm run licences`')
  const unknown = [...table.matchAll(/^\| (\S+) \| [\d.][^ ]* \| (.+) \|$/gm)].filter(([, , licence]) => !/^(MIT|ISC|0BSD|Apache-2\.0|BSD-[23]-Clause)$/.test(licence))
  for (const [, name, licence] of unknown) failures.push(`${name} has the licence ${licence}, which nobody has agreed to ship`)
}
