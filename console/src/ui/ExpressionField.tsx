// The field for a filter expression, and for a trace id, which opens the trace. A mistake is shown in its place.

import Button from '@cloudscape-design/components/button'
import FormField from '@cloudscape-design/components/form-field'
import Input from '@cloudscape-design/components/input'
import { useState } from 'react'
import { ApiError } from '../api/http.ts'
import { beginsLikeExpression, readMistake, type Mistake } from '../model/filterExpression.ts'
import { openTrace } from '../url/location.ts'
import { parseTraceReference } from '../url/traceId.ts'

interface Props {
  /** The expression that counts now; empty for none. */
  expression: string
  /** What is wrong with it. */
  mistake: Mistake | null
  onSearch: (expression: string) => void
}

/** The mistake of an expression for which the server refused a request; null for any other trouble. */
export function mistakeOf(expression: string, error: Error | null): Mistake | null {
  return expression !== '' && error instanceof ApiError ? readMistake(expression, error.message) : null
}

export function ExpressionField({ expression, mistake, onSearch }: Props) {
  // What is typed counts until the expression changes from elsewhere, as by going back.
  const [typed, setTyped] = useState({ over: expression, text: expression })
  const text = typed.over === expression ? typed.text : expression
  const search = (wanted: string) => {
    const reference = beginsLikeExpression(wanted) || wanted.includes('"') ? null : parseTraceReference(wanted)
    if (reference) {
      openTrace(reference)
      return
    }
    setTyped({ over: wanted.trim(), text: wanted.trim() })
    onSearch(wanted.trim())
  }
  return (
    <form
      role="search"
      aria-label="Traces"
      className="expression"
      onSubmit={(event) => {
        event.preventDefault()
        search(text)
      }}
    >
      <FormField stretch errorText={mistake && <MistakeText mistake={mistake} />}>
        <Input
          ariaLabel="Filter expression or trace ID"
          type="search"
          value={text}
          spellcheck={false}
          autoComplete={false}
          placeholder={'Filter expression, such as service("api") { fault } or annotation.tenant = "acme" AND responsetime > 1, or a trace ID'}
          clearAriaLabel="Clear the filter expression"
          onChange={({ detail }) => {
            // An emptied field searches for everything: its cross would do nothing otherwise.
            if (detail.value === '') search('')
            else setTyped({ over: expression, text: detail.value })
          }}
        />
      </FormField>
      <Button formAction="submit">Search</Button>
    </form>
  )
}

function MistakeText({ mistake: { before, wrong, after, advice } }: { mistake: Mistake }) {
  return (
    <>
      {advice}
      <code className="mistake">
        {before}
        {/* Behind the end there is no character to mark: the mark itself has a width. */}
        <mark>{wrong === '' ? '\u00a0' : wrong}</mark>
        {after}
      </code>
    </>
  )
}
