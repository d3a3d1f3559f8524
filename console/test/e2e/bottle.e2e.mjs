// The console against a running Roentgen that has received traces of the Bottle sample app (examples/bottle: service
// `fa-074`, ECS plugin, `GET /` answered with 200). Run by `npm run e2e` with
//
//   ROENTGEN_URL  address of the server, e.g. http://127.0.0.1:2000
//   CHROMIUM      the browser, by default /usr/bin/chromium
//   SCREENSHOTS   a folder for pictures; none are taken without it

import assert from 'node:assert/strict'
import { after, before, beforeEach, afterEach, test } from 'node:test'
import { axeViolations, launch, openPage, picture } from './browser.mjs'

const SERVICE = 'fa-074'
const TYPE = 'AWS::ECS::Container'
const ROENTGEN_URL = process.env.ROENTGEN_URL?.replace(/\/$/, '')
if (!ROENTGEN_URL) throw new Error('ROENTGEN_URL is not set; expected the address of a running server, e.g. http://127.0.0.1:2000')

let browser
let tab
let trace

before(async () => {
  browser = await launch()
  const now = Date.now() / 1000
  const answer = await fetch(`${ROENTGEN_URL}/api/v1/traces/search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ start: now - 3600, end: now + 60, node: { name: SERVICE } }),
  })
  assert.equal(answer.status, 200, await answer.clone().text())
  const { traces } = await answer.json()
  trace = traces.find(({ http }) => http.status === 200)
  assert.ok(trace, `no trace of ${SERVICE} with status 200 within the last hour; send one before running this test`)
})

after(() => browser?.close())

beforeEach(async () => {
  tab = await openPage(browser)
})

afterEach(async () => {
  const { complaints } = tab
  await tab.close()
  // Includes every violation of the Content-Security-Policy: the browser reports them as console errors.
  assert.deepEqual(complaints, [])
})

const open = (hash) => tab.page.goto(`${ROENTGEN_URL}/${hash}`)
const card = (name) => tab.page.locator('.node-card', { has: tab.page.getByText(name, { exact: true }) })
/** The value beside a label in the panel with the details of a segment, a node or a call. */
const value = (label) =>
  tab.page.locator('.panel-content').locator(`xpath=.//dt[normalize-space()="${label}"]/following-sibling::dd[1]`).first()

test('the server sends the policy that the console keeps to', async () => {
  const response = await open('')
  const policy = response.headers()['content-security-policy']
  assert.match(policy, /default-src 'none'/)
  assert.doesNotMatch(policy, /unsafe/)
  assert.equal(response.headers()['cache-control'], 'no-cache')
})

test('the map shows the client, the app, and the calls between them', async () => {
  await open('#/service-map?timeRange=PT1H')
  await card(SERVICE).waitFor()
  await card('Client').first().waitFor()
  await picture(tab.page, 'e2e-map-light')
  const call = tab.page.locator('.react-flow__edge[aria-label*="calls fa-074"]')
  assert.match(await call.getAttribute('aria-label'), /^Client calls fa-074: [\d,]+ requests?, average /)
  // On a map with other apps only the calls of what is selected carry their count.
  await card(SERVICE).click()
  assert.match(await tab.page.locator('.call-label').first().textContent(), /^[1-9][\d,]*$/)
  assert.deepEqual(await axeViolations(tab.page), [])
})

test('a node tells its type, counts and latency, and leads to its traces', async () => {
  await open('#/service-map?timeRange=PT1H')
  await card(SERVICE).click()
  await value('Type').waitFor()
  assert.equal(await value('Type').textContent(), TYPE)
  assert.match(await value('Requests').textContent(), /^[1-9]/)
  assert.match(await value('OK').textContent(), /^[1-9][\d,]* \(/)
  assert.match(await value('Average latency').textContent(), /(µs|ms|s)$/)
  await tab.page.getByRole('heading', { name: 'Response time distribution' }).waitFor()
  await tab.page.waitForTimeout(400) // The panel slides in; the picture should not catch it halfway.
  await picture(tab.page, 'e2e-map-node-light')
  assert.deepEqual(await axeViolations(tab.page), [])
  await tab.page.getByRole('link', { name: 'View traces' }).click()
  await tab.page.locator('tbody a').first().waitFor()
  assert.match(tab.page.url(), /#\/traces\?.*node=fa-074/)
})

test('a call tells what its caller saw', async () => {
  await open('#/service-map?timeRange=PT1H')
  await tab.page.locator('.react-flow__edge[aria-label*="calls fa-074"]').focus()
  await tab.page.keyboard.press('Enter')
  await tab.page.getByText('As the caller measured it').waitFor()
  assert.match(await value('Requests').textContent(), /^[1-9]/)
})

test('the map has a list for those who do not look', async () => {
  await open('#/service-map?timeRange=PT1H&view=list')
  const row = tab.page.getByRole('row').filter({ hasText: SERVICE }).filter({ hasText: TYPE })
  await row.waitFor()
  assert.deepEqual(await axeViolations(tab.page), [])
})

test('the list of traces has the trace, with figures and a chart', async () => {
  await open(`#/traces?timeRange=PT1H&text=${trace.id}`)
  const row = tab.page.getByRole('row').filter({ has: tab.page.locator(`[title="${trace.id}"]`) })
  await row.waitFor()
  assert.match(await row.textContent(), /OK/)
  assert.match(await row.textContent(), /GET/)
  assert.match(await row.textContent(), /200/)
  await tab.page.getByRole('img', { name: /^1 trace\b/ }).waitFor()
  await picture(tab.page, 'e2e-traces-light')
  assert.deepEqual(await axeViolations(tab.page), [])
  await row.getByRole('link').click()
  await tab.page.locator('.timeline-row').first().waitFor()
  assert.ok(tab.page.url().includes(`#/traces/${trace.id}`))
})

test('the search box opens a trace by its W3C id', async () => {
  await open('#/service-map?timeRange=PT1H')
  const box = tab.page.getByRole('searchbox', { name: 'Trace ID', exact: true }).locator('visible=true')
  await box.fill(`00-${trace.id.slice(2).replace('-', '')}-0123456789abcdef-01`)
  await box.press('Enter')
  await tab.page.getByRole('heading', { name: trace.id }).waitFor()
})

test('a segment shows its fields', async () => {
  await open(`#/traces/${trace.id}`)
  const root = tab.page.locator('.timeline-row').first()
  await root.waitFor()
  assert.match(await root.textContent(), new RegExp(`${SERVICE}.*200`))
  await root.click()
  await tab.page.getByRole('tab', { name: 'Overview' }).waitFor()
  await tab.page.waitForTimeout(400) // As above.
  await picture(tab.page, 'e2e-trace-light')
  assert.equal(await value('Name').textContent(), SERVICE)
  assert.equal(await value('Origin').textContent(), TYPE)
  assert.equal(await value('Response code').textContent(), '200')
  assert.equal(await value('Method').textContent(), 'GET')
  assert.match(await value('URL').textContent(), /^https?:\/\/.+\/$/)
  assert.match(await value('Segment ID').textContent(), /[0-9a-f]{16}/)
  assert.deepEqual(await axeViolations(tab.page), [])

  await tab.page.getByRole('tab', { name: 'Resources' }).click()
  const sdk = tab.page.getByRole('row').filter({ has: tab.page.getByRole('rowheader', { name: 'xray.sdk', exact: true }) })
  assert.match(await sdk.textContent(), /X-Ray for Python/)
  await tab.page.getByRole('tab', { name: 'Annotations' }).click()
  await tab.page.getByText('This segment has no annotations.').waitFor()
})

test('the keyboard selects, and Escape closes', async () => {
  await open(`#/traces/${trace.id}`)
  await tab.page.locator('.timeline-row').first().waitFor()
  await tab.page.getByRole('treegrid').focus()
  await tab.page.keyboard.press('ArrowDown')
  await tab.page.getByRole('tab', { name: 'Overview' }).waitFor()
  await tab.page.keyboard.press('Escape')
  await tab.page.getByRole('tab', { name: 'Overview' }).waitFor({ state: 'hidden' })
})

test('the map of the trace', async () => {
  await open(`#/traces/${trace.id}/map`)
  await card(SERVICE).waitFor()
  await card('Client').waitFor()
  assert.equal(await tab.page.locator('.call-label').first().textContent(), '1')
})

test('the documents, as processed and as they arrived', async () => {
  await open(`#/traces/${trace.id}/raw`)
  const text = async () => JSON.parse(await tab.page.locator('.json').textContent())
  await tab.page.locator('.json').waitFor()
  const processed = await text()
  assert.equal(processed.name, SERVICE)
  assert.equal(processed.trace_id, trace.id)
  await tab.page.getByText(/^As received/).click()
  await tab.page.getByText(/^received \d/).first().waitFor()
  const original = await text()
  assert.equal(original.name, SERVICE)
  assert.equal(original.id, processed.id)
  assert.equal(original.origin, TYPE)
  await picture(tab.page, 'e2e-raw-light')
  assert.deepEqual(await axeViolations(tab.page), [])
})

test('a link to a segment survives a reload', async () => {
  await open(`#/traces/${trace.id}`)
  await tab.page.locator('.timeline-row').first().click()
  await tab.page.getByRole('tab', { name: 'Overview' }).waitFor()
  assert.match(tab.page.url(), /[?&]seg=[0-9a-f]{16}/)
  await tab.page.reload()
  await tab.page.getByRole('tab', { name: 'Overview' }).waitFor()
  assert.equal(await value('Name').textContent(), SERVICE)
})

test('dark mode is a click away and stays', async () => {
  await open('#/service-map?timeRange=PT1H')
  await card(SERVICE).waitFor()
  const background = () => tab.page.evaluate(() => getComputedStyle(document.querySelector('.map-canvas')).backgroundColor)
  const light = await background()
  await tab.page.getByRole('button', { name: 'Switch to dark mode' }).locator('visible=true').click()
  await tab.page.waitForFunction((before) => getComputedStyle(document.querySelector('.map-canvas')).backgroundColor !== before, light)
  await picture(tab.page, 'e2e-map-dark')
  assert.deepEqual(await axeViolations(tab.page), [])
  await open(`#/traces/${trace.id}`)
  await tab.page.reload()
  await tab.page.locator('.timeline-row').first().waitFor()
  assert.ok(await tab.page.evaluate(() => document.body.classList.contains('awsui-dark-mode')))
  await picture(tab.page, 'e2e-trace-dark')
  assert.deepEqual(await axeViolations(tab.page), [])
})

test('the sampling rules', async () => {
  await open('#/sampling-rules')
  const row = tab.page.getByRole('row').filter({ hasText: 'Default' })
  await row.waitFor()
  assert.match(await row.textContent(), /5%/)
})
