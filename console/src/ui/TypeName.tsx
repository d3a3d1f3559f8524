// A node type such as `AWS::ECS::Container`, which may break after its colons but not within a word.

import { Fragment } from 'react'

export function TypeName({ type }: { type: string }) {
  const parts = type.split('::')
  return (
    <>
      {parts.map((part, idx) => (
        <Fragment key={idx}>
          {part}
          {idx < parts.length - 1 && (
            <>
              ::
              <wbr />
            </>
          )}
        </Fragment>
      ))}
    </>
  )
}
