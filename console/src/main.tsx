// Entry of the console.

import '@cloudscape-design/global-styles/index.css'
import './theme/styles.css'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api/http.ts'
import { App } from './App.tsx'
import { followMode } from './theme/mode.ts'
import { declareTokens } from './theme/tokens.ts'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      // What the server refused once it refuses again; only a lost connection is worth another try.
      retry: (failures, error) => failures < 1 && error instanceof ApiError && error.status === 0,
      refetchOnWindowFocus: false,
      // The server is on this machine or near it: being offline does not mean it cannot be reached.
      networkMode: 'always',
    },
  },
})

followMode()
declareTokens(document.body)
const root = document.getElementById('root')
if (!root) throw new Error('index.html has no element with the id "root"')
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
)
