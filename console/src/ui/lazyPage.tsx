// Pages come in files of their own, when they are first looked at. What happens when such a file does not come: the
// server may be down, or it is a newer one that has other files.

import { lazy, useEffect, type ComponentType } from 'react'
import { ApiError, isServerUp, NO_ANSWER } from '../api/http.ts'
import { ErrorPanel } from './ErrorPanel.tsx'

const RELOADED_AT = 'roentgen.reloaded-at'
/** A second failure so soon after a reload is another trouble, and reloading for ever would hide it. */
const LEAST_BETWEEN_RELOADS_MS = 10_000
const POLL_MS = 2000

/** A page that is fetched when it is first shown. */
export function lazyPage<Props extends object>(load: () => Promise<ComponentType<Props>>) {
  return lazy(async () => {
    try {
      return { default: await load() }
    } catch (error) {
      return await withoutFile(error)
    }
  })
}

async function withoutFile(error: unknown): Promise<never> {
  // A reload with nobody to answer would leave the browser's own page in the place of ours.
  if (!(await isServerUp())) throw new ApiError(NO_ANSWER, 0)
  const before = Number(sessionStorage.getItem(RELOADED_AT) ?? 0)
  if (Date.now() - before < LEAST_BETWEEN_RELOADS_MS) throw error
  // A tab that was open during an upgrade asks for files of the build before. One reload gets the new page.
  sessionStorage.setItem(RELOADED_AT, String(Date.now()))
  window.location.reload()
  return new Promise<never>(() => undefined)
}

/** In the place of a page that the server did not give: goes on by itself when the server answers again. */
export function UnloadedPage({ error }: { error: Error }) {
  useEffect(() => {
    const timer = setInterval(() => void reloadIfUp(), POLL_MS)
    return () => clearInterval(timer)
  }, [])
  return <ErrorPanel title="This page could not be loaded" error={error} onRetry={() => void reloadIfUp()} />
}

/** Fetching the file alone would not do: the browser may remember that it failed, and its styles are asked for once. */
async function reloadIfUp(): Promise<void> {
  if (await isServerUp()) window.location.reload()
}
