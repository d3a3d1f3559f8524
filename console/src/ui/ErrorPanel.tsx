// An error where its content would have been: what happened, what to quote, and a way to try again.

import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import { ApiError } from '../api/http.ts'

interface Props {
  title: string
  error: Error
  onRetry?: () => void
}

export function ErrorPanel({ title, error, onRetry }: Props) {
  const api = error instanceof ApiError ? error : null
  return (
    <Alert
      type="error"
      header={title}
      action={onRetry ? <Button onClick={onRetry}>Try again</Button> : undefined}
    >
      {error.message}
      {api && (api.code || api.requestId) && (
        <Box variant="small" display="block">
          {[api.status > 0 ? `HTTP ${api.status}` : null, api.code, api.requestId ? `request ${api.requestId}` : null]
            .filter((part) => part !== null)
            .join(' · ')}
        </Box>
      )}
    </Alert>
  )
}
