// Vite plugin: lists the packages that ended up in the build, with their licences in full, as third-party.md beside
// index.html. The licences ask for that. The table at its top is committed as THIRD-PARTY.md (`npm run licences`), so
// that a new package shows in a review; tools/verify.mjs holds both against each other.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'

const PACKAGE = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//
const LICENCE_FILE = /^(licen[cs]e|notice|third-party-licen[cs]es)/i

/** Part of the build without being a module of it: what the bundlers leave of themselves, and what dagre has inlined. */
const UNSEEN = ['vite', 'rolldown', '@dagrejs/graphlib']

interface Shipped {
  name: string
  version: string
  licence: string
  text: string
}

/** Ends the part of the list that is committed. */
export const TABLE_END = '\n---\n'

export function thirdParty(): Plugin {
  let root = ''
  const folders = new Set<string>()
  return {
    name: 'roentgen:third-party',
    apply: 'build',
    configResolved(config) {
      root = config.root
    },
    // Style sheets are not among the modules of a chunk, so everything that was read counts.
    moduleParsed({ id }) {
      const folder = PACKAGE.exec(id.replaceAll('\\', '/'))?.[1]
      if (folder) folders.add(folder)
    },
    buildEnd() {
      for (const name of UNSEEN) folders.add(join(root, 'node_modules', name))
    },
    generateBundle() {
      const shipped = [...folders].map(readPackage).toSorted((a, b) => (a.name < b.name ? -1 : 1))
      this.emitFile({ type: 'asset', fileName: 'third-party.md', source: write(shipped) })
    },
  }
}

function readPackage(folder: string): Shipped {
  const description: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const field = (name: string): string => {
    const value: unknown = typeof description === 'object' && description !== null ? Reflect.get(description, name) : null
    if (typeof value !== 'string') throw new Error(`${folder}/package.json has no ${name}; its licence must be known before it is shipped`)
    return value
  }
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => LICENCE_FILE.test(file)) : []
  return {
    name: field('name'),
    version: field('version'),
    licence: field('license'),
    text: files.toSorted().map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n'),
  }
}

function write(shipped: readonly Shipped[]): string {
  const rows = shipped.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`)
  const head = [
    '# Third-party packages in the console',
    '',
    'Every package whose code or styles are part of the built console. Open Sans (Apache-2.0) comes with',
    '`@cloudscape-design/global-styles`. The full licence texts are in `third-party.md` of every build and are served by',
    'the console under that name. Written by `npm run licences`.',
    '',
    '| package | version | licence |',
    '|---|---|---|',
    ...rows,
  ]
  const texts = shipped.map(({ name, version, text }) => `## ${name} ${version}\n\n\`\`\`text\n${text || 'The package has no licence file.'}\n\`\`\``)
  return `${head.join('\n')}\n${TABLE_END}\n${texts.join('\n\n')}\n`
}
