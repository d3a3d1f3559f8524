import { expect, test } from 'vitest'
import { looksLikeExpression } from '../../src/pages/traces/filterExpression.ts'

test.each([
  'service("checkout")',
  'responsetime > 5',
  'http.status = 500',
  'http.url CONTAINS "cart"',
  'annotation[tenant] = "acme"',
  'annotation.tenant BEGINSWITH "a"',
  'edge("a", "b") { fault }',
  '!OK',
  'fault',
  'tenant = "acme"',
])('%s is taken for an expression', (text) => {
  expect(looksLikeExpression(text)).toBe(true)
})

test.each(['', 'checkout', 'service-a', 'user-7', '/api/cart?items=3', 'https://shop.example.com/?q=lamp', 'faulty', 'okra'])(
  '"%s" is plain text',
  (text) => {
    expect(looksLikeExpression(text)).toBe(false)
  },
)
