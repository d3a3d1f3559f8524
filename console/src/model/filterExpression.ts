// X-Ray's filter expressions as far as the console must know them: telling one from other text, joining two, and the
// place of a mistake. What they mean is the server's to say.

/** What begins a filter expression: a flag alone, a key with a member, or a key before a comparison or a bracket. */
const KEYWORDS = [
  /^!?\s*(?:ok|error|throttle|fault|partial|inferred)$/i,
  /^(?:http|annotation|user|group|instance|resource)\.\w/i,
  /^!?\s*(?:service|edge|annotation|http|responsetime|duration|user|name|id|rootcause\w*|instanceid|availabilityzone)\s*[[({=<>!]/i,
  /^rootcause\./i,
]
const OPERATOR = /[<>=]|\("|\s(?:BEGINSWITH|CONTAINS|ENDSWITH)\s/i

/** True for text that reads like a filter expression and not like a URL, which has signs of equality too. */
export function looksLikeExpression(text: string): boolean {
  const trimmed = text.trim()
  const isUrl = /^(?:https?:\/\/|\/)/i.test(trimmed)
  return beginsLikeExpression(trimmed) || (OPERATOR.test(trimmed) && !isUrl)
}

/** True for what no form of a trace id begins like, not even a header (`Root=1-…`). */
export function beginsLikeExpression(text: string): boolean {
  const trimmed = text.trim()
  return KEYWORDS.some((keyword) => keyword.test(trimmed))
}

/** An expression that both hold of. */
export function bothOf(first: string, second: string): string {
  return first === '' ? second : `(${first}) AND (${second})`
}

/** A mistake in an expression: what of it is wrong, and what the server says about that. */
export interface Mistake {
  before: string
  wrong: string
  after: string
  advice: string
}

const LOCATED = /^Error Location: line 1, position (\d+) : (?:Invalid input symbol: '[\s\S]*?'\. (?=Expected ))?([\s\S]+)$/
/** What is wrong as a whole when one character of it is: a word, or signs in a row (`==`, `&&`). */
const RUNS = [/[\p{L}\p{N}_.]/u, /[=<>!&|]/]

/** Reads the server's message about an expression of one line; null when it is about something else. */
export function readMistake(expression: string, message: string): Mistake | null {
  const [, position, advice] = LOCATED.exec(message) ?? []
  if (position === undefined || advice === undefined) return null
  // The server counts characters as Unicode does; behind the last one there is nothing to mark.
  const characters = [...expression]
  const at = Math.min(Number(position) - 1, characters.length)
  const run = RUNS.find((one) => one.test(characters[at] ?? ''))
  const isInRun = (idx: number) => run !== undefined && run.test(characters[idx] ?? '')
  let start = at
  while (isInRun(start - 1)) start -= 1
  let end = at + 1
  while (isInRun(end)) end += 1
  return {
    before: characters.slice(0, start).join(''),
    wrong: characters.slice(start, end).join(''),
    after: characters.slice(end).join(''),
    advice: /[.?!]$/.test(advice) ? advice : `${advice}.`,
  }
}
