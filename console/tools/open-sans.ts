// Vite plugin: takes Open Sans out of Cloudscape's global style sheet, where eight faces stand as data: addresses
// (134 KiB that block rendering and need `font-src data:`), and serves the two faces in use as files of their own.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { Plugin } from 'vite'

const STYLE_SHEET = /@cloudscape-design\/global-styles\/index\.css$/
const FACE = /@font-face\s*\{[^}]*\}/g
const KEPT_WEIGHTS = new Set(['400', '700'])

export interface Face {
  weight: string
  woff2: Buffer
}

/** Splits a style sheet into its rules without font faces and the upright faces we keep. */
export function splitFaces(css: string): { rest: string; faces: Face[] } {
  const faces: Face[] = []
  const rest = css.replace(FACE, (rule) => {
    const weight = /font-weight:\s*(\d+)/.exec(rule)?.[1]
    const data = /data:font\/woff2;base64,([A-Za-z0-9+/=]+)/.exec(rule)?.[1]
    if (weight && data && KEPT_WEIGHTS.has(weight) && /font-style:\s*normal/.test(rule)) {
      faces.push({ weight, woff2: Buffer.from(data, 'base64') })
    }
    return ''
  })
  return { rest, faces }
}

export function openSans(): Plugin {
  return {
    name: 'roentgen:open-sans',
    enforce: 'pre',
    transform(css, id) {
      const file = id.split('?')[0] ?? id
      if (!STYLE_SHEET.test(file)) return null
      const { rest, faces } = splitFaces(css)
      if (faces.length !== KEPT_WEIGHTS.size) {
        this.error(`expected ${KEPT_WEIGHTS.size} upright Open Sans faces in ${file}, found ${faces.length}`)
      }
      // Vite only emits fonts that are files; node_modules/.cache is where tools may keep such things.
      const folder = join(file.slice(0, file.indexOf('@cloudscape-design')), '.cache', 'open-sans')
      mkdirSync(folder, { recursive: true })
      const rules = faces.map(({ weight, woff2 }) => {
        const path = join(folder, `open-sans-${weight}.woff2`)
        writeFileSync(path, woff2)
        const address = relative(dirname(file), path).replaceAll('\\', '/')
        return `@font-face{font-family:'Open Sans';font-weight:${weight};font-style:normal;font-display:swap;src:url('${address}') format('woff2')}`
      })
      return { code: `${rules.join('\n')}\n${rest}`, map: null }
    },
  }
}
