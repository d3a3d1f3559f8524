// Writes a .br and a .gz copy beside every file of dist/ that gets smaller that way. Browsers ask for brotli only on
// HTTPS and loopback addresses, so both are needed. Run by `npm run build` after Vite, and moves Vite's manifest out of
// the served files to where tools/verify.mjs reads it.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const cache = fileURLToPath(new URL('../node_modules/.cache', import.meta.url))

mkdirSync(cache, { recursive: true })
renameSync(join(dist, '.vite', 'manifest.json'), join(cache, 'manifest.json'))
rmSync(join(dist, '.vite'), { recursive: true })

for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name)
  // woff2 is compressed already.
  if (!statSync(path).isFile() || /\.(br|gz|woff2)$/.test(path)) continue
  const plain = readFileSync(path)
  const brotli = brotliCompressSync(plain, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length },
  })
  const gzip = gzipSync(plain, { level: 9 })
  if (brotli.length < plain.length) writeFileSync(`${path}.br`, brotli)
  if (gzip.length < plain.length) writeFileSync(`${path}.gz`, gzip)
}
