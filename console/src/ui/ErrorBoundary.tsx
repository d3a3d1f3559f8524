// Keeps a defect of one page on that page: the rest of the console stays usable.

import { Component, type ReactNode } from 'react'
import { ApiError } from '../api/http.ts'
import { ErrorPanel } from './ErrorPanel.tsx'
import { UnloadedPage } from './lazyPage.tsx'

interface Props {
  children: ReactNode
  /** A change clears the error: another page gets its chance. */
  resetKey: string
  frame: (content: ReactNode) => ReactNode
}

interface State {
  error: Error | null
  resetKey: string
}

export class ErrorBoundary extends Component<Props, State> {
  override state: State = { error: null, resetKey: this.props.resetKey }

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }

  static getDerivedStateFromProps(props: Props, state: State): Partial<State> | null {
    return props.resetKey === state.resetKey ? null : { error: null, resetKey: props.resetKey }
  }

  override render(): ReactNode {
    const { error } = this.state
    if (!error) return this.props.children
    return this.props.frame(
      error instanceof ApiError ? (
        <UnloadedPage error={error} />
      ) : (
        <ErrorPanel
          title="This page ran into a defect of the console"
          error={error}
          onRetry={() => this.setState({ error: null })}
        />
      ),
    )
  }
}
