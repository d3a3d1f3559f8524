// Chromium for the browser tests: starts it, collects everything a page complains about, runs axe, takes pictures.

import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
// axe does not see that the map's canvas clips what reaches out of it, and takes such cards for lying over the toolbar.
const HIDE_CLIPPED = `for (const canvas of document.querySelectorAll('.map-canvas')) {
  const frame = canvas.getBoundingClientRect()
  for (const card of canvas.querySelectorAll('.react-flow__node, .call-label')) {
    const { top, bottom, left, right } = card.getBoundingClientRect()
    const isWhole = top >= frame.top && bottom <= frame.bottom && left >= frame.left && right <= frame.right
    card.style.visibility = isWhole ? 'visible' : 'hidden'
  }
}`
const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']

/** Starts the browser that CHROMIUM names. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** A fresh tab; `complaints` gathers page errors, console errors, policy violations and warnings of Cloudscape. */
export async function openPage(browser, { colorScheme = 'light', width = 1440, height = 900 } = {}) {
  // The tests read the clipboard, and axe is put into the page, which the page's own policy forbids rightly.
  const context = await browser.newContext({
    colorScheme,
    viewport: { width, height },
    reducedMotion: 'reduce',
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  const page = await context.newPage()
  const complaints = []
  page.on('pageerror', (error) => complaints.push(`page error: ${error.stack ?? error}`))
  page.on('console', (message) => {
    const isComplaint = message.type() === 'error' || message.text().startsWith('[AwsUi]')
    if (isComplaint) complaints.push(`console: ${message.text()}`)
  })
  return { page, complaints, close: () => context.close() }
}

/** axe's violations of WCAG A and AA, each as one line. Runs in an isolated world, which the page's policy leaves alone. */
export async function axeViolations(page) {
  const session = await page.context().newCDPSession(page)
  const { frameTree } = await session.send('Page.getFrameTree')
  const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id })
  await session.send('Runtime.evaluate', { contextId: executionContextId, expression: AXE })
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    contextId: executionContextId,
    awaitPromise: true,
    returnByValue: true,
    expression: `${HIDE_CLIPPED}; axe.run(document, { runOnly: ${JSON.stringify(WCAG)} }).then(({ violations, passes }) => ({
      passes: passes.length,
      violations: violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.target.join(' ') + ' — ' + n.failureSummary)),
    }))`,
  })
  await session.detach()
  if (exceptionDetails) throw new Error(`axe: ${exceptionDetails.text}`)
  if (!(result.value.passes > 0)) throw new Error('axe checked nothing')
  return result.value.violations
}

/** Saves a picture when SCREENSHOTS names a folder. */
export async function picture(page, name) {
  const folder = process.env.SCREENSHOTS
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}
