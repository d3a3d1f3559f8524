// Every page of the console against the mock server, light and dark: no complaint of the browser, no violation that axe
// finds. With SCREENSHOTS=<folder> it leaves a picture of each. Run by `npm run pages` after a build.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { axeViolations, launch, openPage, picture } from './e2e/browser.mjs'
import { startMockServer } from './mock-server.mjs'

let browser
let server
let empty
let traces

before(async () => {
  browser = await launch()
  server = await startMockServer()
  empty = await startMockServer({ empty: true })
  const now = Date.now() / 1000
  const answer = await fetch(`${server.url}/api/v1/traces/search`, {
    method: 'POST',
    body: JSON.stringify({ start: now - 3600, end: now }),
  })
  traces = (await answer.json()).traces
})

after(async () => {
  await browser?.close()
  await server?.close()
  await empty?.close()
})

const inState = (page, selector) => page.locator(selector).first().waitFor()

const PAGES = [
  ['map', '#/service-map', (page) => inState(page, '.node-card')],
  ['map-node', '#/service-map?node=checkout&nodeType=AWS::ECS::Container', (page) => inState(page, '.panel-content .histogram')],
  ['map-edge', '#/service-map?from=checkout&fromType=AWS::ECS::Container&to=payment&toType=AWS::ECS::Container', (page) => inState(page, '.panel-content .histogram')],
  ['map-list', '#/service-map?view=list', (page) => inState(page, 'table')],
  ['map-types', '#/service-map?cards=types', (page) => inState(page, '.node-card')],
  ['traces', '#/traces', (page) => inState(page, 'tbody a')],
  ['traces-over-time', '#/traces?chart=over-time&timeRange=PT30M', (page) => inState(page, 'tbody a')],
  ['traces-filtered', '#/traces?outcome=fault&rt=0.5~&text=checkout', (page) => inState(page, 'tbody a')],
  ['traces-expression', `#/traces?timeRange=PT1H&filter=${encodeURIComponent('service("checkout") { fault }')}`, (page) => inState(page, 'tbody a')],
  ['map-expression', `#/service-map?timeRange=PT1H&group=slow&filter=${encodeURIComponent('service("checkout") { fault }')}`, (page) => inState(page, '.node-card')],
  ['traces-none', '#/traces?text=nothing-has-this', (page) => page.getByText('No trace matches').waitFor()],
  ['trace-small', () => `#/traces/${traces[20].id}`, (page) => inState(page, '.timeline-row')],
  ['trace-1000', () => `#/traces/${traces[7].id}`, (page) => inState(page, '.timeline-row')],
  ['trace-10000', () => `#/traces/${traces[10].id}`, (page) => inState(page, '.timeline-row')],
  ['trace-map', () => `#/traces/${traces[7].id}/map`, (page) => inState(page, '.node-card')],
  ['trace-raw', () => `#/traces/${traces[7].id}/raw`, (page) => inState(page, '.json')],
  ['trace-missing', '#/traces/1-00000000-000000000000000000000000', (page) => page.getByText('No segment of this trace').waitFor()],
  ['sampling', '#/sampling-rules', (page) => page.getByText('checkout-all').waitFor()],
  ['connect', '#/connect', (page) => page.getByText('Point your app here').waitFor()],
]

for (const colorScheme of ['light', 'dark']) {
  for (const [name, hash, ready] of PAGES) {
    test(`${name}, ${colorScheme}`, async () => {
      const { page, complaints, close } = await openPage(browser, { colorScheme })
      await page.goto(`${server.url}/${typeof hash === 'function' ? hash() : hash}`)
      await ready(page)
      await page.waitForTimeout(300) // The picture should not catch the side panel sliding in.
      await picture(page, `${name}-${colorScheme}`)
      assert.deepEqual(await axeViolations(page), [])
      // A missing trace is a 404, which the browser's console reports by itself.
      assert.deepEqual(complaints.filter((text) => name !== 'trace-missing' || !text.includes('404')), [])
      await close()
    })
  }

  test(`segment details, ${colorScheme}`, async () => {
    const { page, complaints, close } = await openPage(browser, { colorScheme })
    const faulty = traces.find((trace) => trace.hasFault)
    await page.goto(`${server.url}/#/traces/${faulty.id}`)
    await page.locator('.timeline-row').first().click()
    await page.getByRole('tab', { name: 'Exceptions' }).waitFor()
    await page.waitForTimeout(300)
    await picture(page, `trace-segment-${colorScheme}`)
    assert.deepEqual(await axeViolations(page), [])
    for (const name of ['Resources', 'Annotations', 'Metadata', 'Exceptions']) {
      await page.getByRole('tab', { name }).click()
      await picture(page, `trace-segment-${name.toLowerCase()}-${colorScheme}`)
      assert.deepEqual(await axeViolations(page), [], name)
    }
    assert.deepEqual(complaints, [])
    await close()
  })
}

test('the first-run page turns into the map when the first segment arrives', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(empty.url)
  await page.getByText('Waiting for the first segment').waitFor()
  await picture(page, 'first-run-light')
  assert.deepEqual(await axeViolations(page), [])
  await page.getByRole('button', { name: 'Generate sample traffic' }).click()
  await page.locator('.node-card').first().waitFor()
  assert.deepEqual(complaints, [])
  await close()
})

/** Drags over an element, from one share of its width to another. */
async function dragAcross(page, locator, from, to) {
  const { x, y, width, height } = await locator.boundingBox()
  await page.mouse.move(x + width * from, y + height / 2)
  await page.mouse.down()
  await page.mouse.move(x + width * to, y + height / 2, { steps: 4 })
  await page.mouse.up()
}

test('dragging over the response times filters the list, and clearing brings it back', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/traces?timeRange=PT1H`)
  await page.getByText(/of 1,500\)/).waitFor()
  await dragAcross(page, page.locator('.histogram svg'), 0.7, 0.99)
  await page.waitForURL(/[?&]rt=[\d.]+%7E[\d.]+/)
  await page.getByText(/of 1,500\)/).waitFor({ state: 'hidden' })
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await page.getByText(/of 1,500\)/).waitFor()
  assert.doesNotMatch(page.url(), /rt=/)
  assert.deepEqual(complaints, [])
  await close()
})

test('the list grows page by page, and an outcome narrows it', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/traces?timeRange=PT1H`)
  await page.getByRole('button', { name: 'Load 100 more' }).click()
  await page.getByText('(200 of 1,500)').waitFor()
  assert.equal(await page.locator('tbody tr').count(), 200)
  await page.getByRole('button', { name: /^Fault/ }).click()
  await page.waitForURL(/outcome=fault/)
  await page.getByRole('row').filter({ hasText: 'Fault' }).first().waitFor()
  await page.waitForFunction(() => !document.querySelector('tbody')?.textContent.includes('OK'))
  assert.deepEqual(complaints, [])
  await close()
})

test('the response-time chart is worked by keyboard too', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/service-map?node=storefront-web&nodeType=AWS::ECS::Container`)
  const from = page.getByRole('slider', { name: 'Response time distribution: from' })
  await from.focus()
  await page.keyboard.press('ArrowRight')
  await page.getByText('in the selected range').waitFor()
  await page.getByRole('link', { name: 'View filtered traces' }).click()
  await page.waitForURL(/#\/traces\?.*node=storefront-web.*rt=/)
  assert.deepEqual(complaints, [])
  await close()
})

test('on a narrow page no label of the charts lies on another', async () => {
  const { page, complaints, close } = await openPage(browser, { width: 420, height: 900 })
  for (const chart of ['', '&chart=over-time']) {
    await page.goto(`${server.url}/#/traces?timeRange=PT1H${chart}`)
    await page.locator('.histogram rect').first().waitFor()
    await picture(page, `traces-narrow${chart && '-over-time'}-light`)
    const boxes = await page.locator('.histogram .chart-text[y]').evaluateAll((labels) => labels.map((label) => label.getBoundingClientRect().toJSON()))
    assert.ok(boxes.length >= 2, `${boxes.length} labels`)
    for (const [idx, { left }] of boxes.entries()) assert.ok(idx === 0 || left > boxes[idx - 1].right, `label ${idx} of ${chart}`)
  }
  assert.deepEqual(complaints, [])
  await close()
})

test('the labels of the time lane end within it', async () => {
  const { page, complaints, close } = await openPage(browser)
  for (const trace of [traces[20], traces[7], traces[3]]) {
    await page.goto(`${server.url}/#/traces/${trace.id}`)
    await page.locator('.lane-tick').first().waitFor()
    const outside = await page.locator('.timeline-head .lane').evaluate((lane) => {
      const { right } = lane.getBoundingClientRect()
      return [...lane.querySelectorAll('.lane-tick')].filter((tick) => tick.getBoundingClientRect().right > right + 1).map((tick) => tick.textContent)
    })
    assert.deepEqual(outside, [])
  }
  assert.deepEqual(complaints, [])
  await close()
})

test('the map of the shop is shown whole, and nothing lies over its cards', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/service-map`)
  await inState(page, '.node-card')
  await page.waitForTimeout(300) // The view is set after the first picture.
  const covered = await page.locator('.node-card').evaluateAll((cards) =>
    cards.filter((card) => {
      const { left, right, top, bottom } = card.getBoundingClientRect()
      const corners = [[left + 20, top + 4], [right - 20, top + 4], [left + 20, bottom - 4], [right - 20, bottom - 4]]
      return corners.some(([x, y]) => !card.contains(document.elementFromPoint(x, y)))
    }).map((card) => card.textContent))
  assert.deepEqual(covered, [])
  assert.deepEqual(complaints, [])
  await close()
})

test('ten thousand segments: few rows in the document, keyboard, filter, zoom', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/traces/${traces[10].id}`)
  const rows = page.locator('.timeline-row')
  await rows.first().waitFor()
  assert.ok((await rows.count()) < 80)
  const grid = page.getByRole('treegrid')
  assert.equal(await grid.getAttribute('aria-rowcount'), '10001')
  await grid.focus()
  await page.keyboard.press('End')
  await page.locator('.timeline-row-selected[aria-rowindex="10001"]').waitFor()
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowLeft')
  assert.equal(await grid.getAttribute('aria-rowcount'), '2')
  await page.keyboard.press('ArrowRight')
  assert.equal(await grid.getAttribute('aria-rowcount'), '10001')
  await page.getByRole('searchbox', { name: 'Filter segments' }).fill('putitem')
  await page.getByText(/of 10,000 segments and subsegments match/).waitFor()
  await dragAcross(page, page.locator('.overview'), 0.2, 0.4)
  await page.getByRole('button', { name: /^Show all/ }).click()
  await page.getByRole('button', { name: /^Show all/ }).waitFor({ state: 'hidden' })
  assert.deepEqual(complaints, [])
  await close()
})

test('errors are told where the content would be, and can be tried again', async () => {
  const { page, close } = await openPage(browser)
  let failing = true
  await page.route('**/ServiceGraph', (route) =>
    failing
      ? route.fulfill({
          status: 400,
          headers: { 'x-amzn-errortype': 'InvalidRequestException', 'x-amzn-requestid': 'request-7' },
          json: { Message: 'the time range is odd' },
        })
      : route.continue(),
  )
  await page.goto(`${server.url}/#/service-map`)
  await page.getByText('the time range is odd').waitFor()
  await page.getByText('HTTP 400 · InvalidRequestException · request request-7').waitFor()
  failing = false
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.locator('.node-card').first().waitFor()
  await close()
})

test('a page that cannot be loaded says so, and comes when the server is back', async () => {
  const { page, complaints, close } = await openPage(browser)
  const lost = await startMockServer()
  await page.goto(`${lost.url}/#/traces`)
  await inState(page, 'tbody a')
  await lost.close()
  await page.getByRole('link', { name: 'Sampling rules' }).click()
  await page.getByText('This page could not be loaded').waitFor()
  await page.getByText('The server does not answer. Is Roentgen still running?').waitFor()
  await page.waitForTimeout(300) // The picture should not catch the alert fading in.
  await picture(page, 'server-lost-light')
  assert.deepEqual(await axeViolations(page), [])
  const back = await startMockServer({ port: lost.port })
  await page.getByText('checkout-all').waitFor()
  assert.match(page.url(), /#\/sampling-rules/)
  assert.deepEqual(complaints.filter((text) => !/ERR_CONNECTION|does not answer/.test(text)), [])
  await close()
  await back.close()
})

test('a tab of the build before gets the new one, but is not reloaded for ever', async () => {
  const { page, close } = await openPage(browser)
  await page.goto(`${server.url}/#/traces`)
  await inState(page, 'tbody a')
  let isGone = true
  let reloads = 0
  page.on('domcontentloaded', () => {
    reloads += 1
  })
  await page.route('**/SamplingPage-*.js', (route) => (isGone ? route.fulfill({ status: 404, body: 'gone' }) : route.continue()))
  await page.getByRole('link', { name: 'Sampling rules' }).click()
  await page.getByText('This page ran into a defect of the console').waitFor()
  assert.equal(reloads, 1)
  isGone = false
  await page.evaluate(() => sessionStorage.clear())
  await page.reload()
  await page.getByText('checkout-all').waitFor()
  await close()
})

test('a segment that failed opens on its exception, which leads to where it was raised', async () => {
  const { page, complaints, close } = await openPage(browser)
  let root
  for (const { id } of traces.filter((trace) => trace.hasFault)) {
    const { rows } = await (await fetch(`${server.url}/api/v1/traces/${id}`)).json()
    const below = rows.flags.findIndex((flags, row) => row > 0 && flags & 4)
    if (below > 0) root = { id, segment: rows.id[0], raising: rows.id[below] }
    if (root) break
  }
  assert.ok(root, 'the fixtures have no trace with a fault below its root')
  await page.goto(`${server.url}/#/traces/${root.id}?seg=${root.segment}`)
  await page.getByText('PaymentDeclined').first().waitFor()
  await page.getByText('Raised in').getByRole('button').click()
  await page.waitForURL(new RegExp(`seg=${root.raising}`))
  await page.getByText('PaymentDeclined').first().waitFor()
  await page.getByText('Raised in').waitFor({ state: 'hidden' })
  // All frames are there to see; only the panel scrolls.
  const stack = await page.locator('.stack').first().evaluate((list) => ({ visible: list.clientHeight, whole: list.scrollHeight, frames: list.children.length }))
  assert.equal(stack.frames, 15)
  assert.equal(stack.visible, stack.whole)
  // Failed are segments and subsegments, so both make the whole.
  const facts = await page.locator('.facts').textContent()
  const [, failed, all] = /Failed \(sub\)segments([\d,]+) of ([\d,]+)/.exec(facts) ?? []
  const trace = await (await fetch(`${server.url}/api/v1/traces/${root.id}`)).json()
  assert.equal(Number(failed?.replace(',', '')), trace.rows.flags.filter((flags) => flags & 7).length)
  assert.equal(Number(all?.replace(',', '')), trace.rows.id.length)
  await page.getByRole('tab', { name: 'Overview' }).click()
  await page.waitForURL(/tab=overview/)
  await page.getByText('Self time').waitFor()
  assert.deepEqual(complaints, [])
  await close()
})

test('a segment that the trace does not have is said to be missing', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/traces/${traces[3].id}?seg=0123456789abcdef`)
  await page.getByText('This trace has no segment 0123456789abcdef').waitFor()
  assert.deepEqual(await axeViolations(page), [])
  assert.deepEqual(complaints, [])
  await close()
})

const matched = (page) => page.locator('.figure').first().locator('.figure-value')
const isRefused = (text) => text.includes('400')

/** Waits until the figure over the list is of this many traces. */
async function waitForMatches(page, count) {
  await matched(page).filter({ hasText: new RegExp(`^${count.toLocaleString('en-US')} of `) }).waitFor()
}

test('a filter expression is searched, kept in the address, and undone by going back', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/traces?timeRange=PT1H`)
  await waitForMatches(page, 1500)
  const field = page.getByRole('searchbox', { name: 'Filter expression or trace ID' })
  await field.fill('service("checkout") { fault }')
  await field.press('Enter')
  await page.waitForURL(/[?&]filter=service/)
  const faults = await countOf('service("checkout") { fault }')
  assert.ok(faults > 0 && faults < 1500, `${faults}`)
  await waitForMatches(page, faults)

  // It goes with all other conditions: what is typed there and is an expression joins it.
  const conditions = page.getByRole('combobox', { name: 'Filter traces' })
  await conditions.fill('responsetime > 0.5')
  await conditions.press('Enter')
  await page.waitForURL(/responsetime/)
  assert.equal(await field.inputValue(), '(service("checkout") { fault }) AND (responsetime > 0.5)')
  await waitForMatches(page, await countOf('service("checkout") { fault } AND responsetime > 0.5'))

  await page.goBack()
  await waitForMatches(page, faults)
  assert.equal(await field.inputValue(), 'service("checkout") { fault }')
  await page.goBack()
  await waitForMatches(page, 1500)
  assert.equal(await field.inputValue(), '')
  await page.goForward()
  await waitForMatches(page, faults)
  assert.deepEqual(complaints, [])
  await close()
})

async function countOf(filterExpression) {
  const now = Date.now() / 1000
  const body = JSON.stringify({ start: now - 3600, end: now, filterExpression })
  return (await (await fetch(`${server.url}/api/v1/traces/search`, { method: 'POST', body })).json()).matched
}

test('a mistake in a filter expression is shown in its place', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/traces?timeRange=PT1H&filter=${encodeURIComponent('error AND falt')}`)
  await page.getByText('Expected a keyword of the trace; did you mean fault?').waitFor()
  await picture(page, 'traces-mistake-light')
  assert.equal(await page.locator('.mistake mark').textContent(), 'falt')
  await page.getByText('No trace matches').waitFor({ state: 'hidden' })
  assert.deepEqual(await axeViolations(page), [])
  const field = page.getByRole('searchbox', { name: 'Filter expression or trace ID' })
  await field.fill('fault')
  await field.press('Enter')
  await page.locator('.mistake').waitFor({ state: 'hidden' })
  await waitForMatches(page, await countOf('fault'))
  assert.deepEqual(complaints.filter((text) => !isRefused(text)), [])
  await close()
})

test('the field for filter expressions opens traces, too', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/traces`)
  const field = page.getByRole('searchbox', { name: 'Filter expression or trace ID' })
  await field.fill(`Root=${traces[3].id};Parent=0123456789abcdef;Sampled=1`)
  await field.press('Enter')
  await page.getByRole('heading', { name: traces[3].id }).waitFor()
  assert.deepEqual(complaints, [])
  await close()
})

test('a search that stopped at its limit says so and goes on', async () => {
  const { page, complaints, close } = await openPage(browser)
  const empty = { traces: [], next: 'more', matched: 0, scanned: 100_000, complete: false, facets: { service: [], url: [], status: [], method: [], user: [] } }
  let calls = 0
  await page.route('**/api/v1/traces/search', async (route) => {
    const { next, ...body } = route.request().postDataJSON()
    calls += 1
    const answer = await (await route.fetch({ postData: body })).json()
    // The first page ends before the first match; the next one has it.
    const page = next ? { ...empty, traces: answer.traces.slice(0, 1), next: null } : empty
    return route.fulfill({ json: { ...answer, ...page } })
  })
  await page.goto(`${server.url}/#/traces?timeRange=PT1H&filter=fault`)
  await page.getByText('None of the newest traces match').waitFor()
  await page.getByText('(0+)').waitFor()
  await page.getByText('of the newest 100,000').waitFor()
  assert.equal(await page.getByText('No trace matches').count(), 0)
  await page.getByRole('button', { name: 'Search older traces' }).click()
  await page.locator('tbody a').first().waitFor()
  await page.getByText('(1+)').waitFor()
  assert.equal(calls, 2)
  assert.deepEqual(complaints, [])
  await close()
})

test('map and list share the filter expression and the group', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/service-map?timeRange=PT1H`)
  await inState(page, '.node-card')
  const all = await page.locator('.node-card').count()
  const field = page.getByRole('searchbox', { name: 'Filter expression or trace ID' })
  await field.fill('service("checkout") { fault }')
  await field.press('Enter')
  await page.waitForFunction((before) => document.querySelectorAll('.node-card').length < before, all)
  await page.getByRole('button', { name: /^Group/ }).click()
  await page.getByRole('option', { name: 'slow' }).click()
  await page.waitForURL(/group=slow/)
  await page.getByRole('link', { name: 'Traces', exact: true }).click()
  await page.waitForURL(/#\/traces\?.*filter=service.*group=slow/)
  await waitForMatches(page, await countOf('service("checkout") { fault } AND responsetime > 1'))
  assert.deepEqual(complaints, [])
  await close()
})

test('an empty range offers one that holds the newest trace', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/service-map?timeRange=2026-01-01T00:00:00Z~2026-01-01T01:00:00Z`)
  await page.route('**/ServiceGraph', (route) => route.fulfill({ json: { Services: [] } }))
  await page.reload()
  await page.getByRole('button', { name: /^Show the last/ }).click()
  await page.waitForURL(/timeRange=PT\d+M/)
  assert.deepEqual(complaints, [])
  await close()
})

test('what is no trace id is said to be none', async () => {
  const { page, complaints, close } = await openPage(browser)
  await page.goto(`${server.url}/#/traces`)
  const box = page.getByRole('searchbox', { name: 'Trace ID', exact: true }).locator('visible=true')
  await box.fill('checkout')
  await box.press('Enter')
  await page.getByText('No trace ID in this text').locator('visible=true').waitFor()
  await box.fill(`Root=${traces[3].id};Parent=0123456789abcdef`)
  await box.press('Enter')
  await page.getByRole('heading', { name: traces[3].id }).waitFor()
  assert.deepEqual(complaints, [])
  await close()
})
