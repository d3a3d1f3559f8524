// Code to copy.

import { CopyButton } from './CopyButton.tsx'

interface Props {
  code: string
  what: string
  /** Long lines break instead of scrolling, for code that is read rather than run. */
  isWrapped?: boolean
}

export function CodeBlock({ code, what, isWrapped = false }: Props) {
  return (
    <div className={isWrapped ? 'code-block code-block-wrapped' : 'code-block'}>
      <pre tabIndex={0} aria-label={what}>
        {code}
      </pre>
      <CopyButton text={code} what={what} />
    </div>
  )
}
