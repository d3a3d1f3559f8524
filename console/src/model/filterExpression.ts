// Telling X-Ray's filter expressions from plain text. They are not evaluated, and whoever types one should hear that
// rather than see an empty list.

/** What begins a filter expression: a flag alone, a key with a member, or a key before a comparison or a bracket. */
const KEYWORDS = [
  /^!?\s*(?:ok|error|throttle|fault|partial)$/i,
  /^(?:http|annotation|user|group)\.\w/i,
  /^!?\s*(?:service|edge|annotation|http|responsetime|duration|user|name|id|rootcause\w*|instanceid|availabilityzone)\s*[[({=<>!]/i,
]
const OPERATOR = /[<>=]|\("|\s(?:BEGINSWITH|CONTAINS|ENDSWITH)\s/i

/** True for text that reads like a filter expression and not like a URL, which has signs of equality too. */
export function looksLikeExpression(text: string): boolean {
  const trimmed = text.trim()
  const isUrl = /^(?:https?:\/\/|\/)/i.test(trimmed)
  return KEYWORDS.some((keyword) => keyword.test(trimmed)) || (OPERATOR.test(trimmed) && !isUrl)
}
