import { expect, test } from 'vitest'
import { beginsLikeExpression, bothOf, looksLikeExpression, readMistake } from '../../src/model/filterExpression.ts'

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

test.each(['Root=1-581cf771-a006649127e371903a2de979;Parent=53995c3f42cd8ad8;Sampled=1', '1-581cf771-a006649127e371903a2de979'])(
  '%s does not begin like an expression',
  (text) => {
    expect(beginsLikeExpression(text)).toBe(false)
  },
)

test('two expressions are joined whatever is in them', () => {
  expect(bothOf('', 'ok')).toBe('ok')
  expect(bothOf('ok OR fault', 'error')).toBe('(ok OR fault) AND (error)')
})

// The messages are the server's, as its own tests have them.
test.each([
  ['falt', 3, 'fal', '', 'falt', ''],
  ['service("api") { fault } AND response_time > 5', 38, 'response_', 'service("api") { fault } AND ', 'response_time', ' > 5'],
  ['user == "x"', 6, 'user =', 'user ', '==', ' "x"'],
  ["user = 'x'", 8, "user = '", 'user = ', "'", "x'"],
  ['duration < ', 12, 'duration < ', 'duration < ', '', ''],
  ['(ok', 4, 'ok', '(ok', '', ''],
  ['user = "🦊" falt', 14, 'fal', 'user = "🦊" ', 'falt', ''],
  ['ü > 1', 1, 'ü', '', 'ü', ' > 1'],
])('the mistake in %s is marked', (expression, position, symbol, before, wrong, after) => {
  const message = `Error Location: line 1, position ${position} : Invalid input symbol: '${symbol}'. Expected something; did you mean x?`
  expect(readMistake(expression, message)).toEqual({ before, wrong, after, advice: 'Expected something; did you mean x?' })
})

test('other messages are no mistakes of the expression', () => {
  const nested = 'Error Location: line 1, position 2 : The filter expression is nested deeper than 64 levels'
  expect(readMistake('((ok))', nested)?.advice).toBe('The filter expression is nested deeper than 64 levels.')
  expect(readMistake('ok', 'text must have at most 500 characters')).toBeNull()
})
