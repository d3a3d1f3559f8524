// The tabs of a segment that show parts of its document: resources, annotations, metadata, SQL.

import KeyValuePairs from '@cloudscape-design/components/key-value-pairs'
import SpaceBetween from '@cloudscape-design/components/space-between'
import type { JsonObject } from '../../api/internal.ts'
import { flatten, objectField, textField } from '../../model/document.ts'
import { CodeBlock } from '../../ui/CodeBlock.tsx'
import { JsonView } from '../../ui/JsonView.tsx'

export function ResourcesTab({ document }: { document: JsonObject }) {
  const groups = (['aws', 'service'] as const).flatMap((name) => {
    const part = objectField(document, name)
    return part && Object.keys(part).length > 0 ? [{ name, fields: flatten(part) }] : []
  })
  const origin = textField(document, 'origin')
  if (groups.length === 0 && !origin) return <None what="resources" />
  return (
    <SpaceBetween size="l">
      {origin && <KeyValuePairs columns={1} items={[{ label: 'Origin', value: origin }]} />}
      {groups.map(({ name, fields }) => (
        <section key={name} className="panel-section">
          <h3>{name === 'aws' ? 'AWS and SDK' : 'Service'}</h3>
          <FieldTable fields={fields} />
        </section>
      ))}
    </SpaceBetween>
  )
}

export function AnnotationsTab({ document }: { document: JsonObject }) {
  const annotations = objectField(document, 'annotations')
  if (!annotations || Object.keys(annotations).length === 0) return <None what="annotations" />
  return <FieldTable fields={flatten(annotations)} />
}

export function MetadataTab({ document }: { document: JsonObject }) {
  const metadata = objectField(document, 'metadata')
  if (!metadata || Object.keys(metadata).length === 0) return <None what="metadata" />
  return (
    <SpaceBetween size="l">
      {Object.entries(metadata).map(([namespace, value]) => (
        <section key={namespace} className="panel-section">
          <h3>{namespace}</h3>
          <JsonView value={value} what={`metadata of ${namespace}`} />
        </section>
      ))}
    </SpaceBetween>
  )
}

export function SqlTab({ sql }: { sql: JsonObject }) {
  const query = textField(sql, 'sanitized_query')
  const rest = flatten(sql).filter(({ path }) => path !== 'sanitized_query')
  return (
    <SpaceBetween size="l">
      {query && <CodeBlock code={query} what="query" isWrapped />}
      <FieldTable fields={rest} />
    </SpaceBetween>
  )
}

function FieldTable({ fields }: { fields: { path: string; value: string }[] }) {
  return (
    <table className="plain-table fields">
      <tbody>
        {fields.map(({ path, value }) => (
          <tr key={path}>
            <th scope="row">{path}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function None({ what }: { what: string }) {
  return <p className="quiet">This segment has no {what}.</p>
}
