// The whole trace in a strip: every visible row a thin line. Dragging zooms the lanes below to that part of the time.

import Button from '@cloudscape-design/components/button'
import { useEffect, useRef, useState, type PointerEvent } from 'react'
import { rowOutcome } from '../../model/rows.ts'
import { useIsDark } from '../../theme/mode.ts'
import { useElementSize } from '../../ui/useElementSize.ts'
import { formatDuration } from '../../model/format.ts'
import type { Timeline, TimeWindow } from './useTimeline.ts'

const HEIGHT = 56
/** A drag shorter than this is a click, in pixels. */
const LEAST_DRAG = 4

export function Overview({ timeline }: { timeline: Timeline }) {
  const { rows, shown, extent, window: zoom, isZoomed, setWindow } = timeline
  const frame = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const { width } = useElementSize(frame)
  const isDark = useIsDark()
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null)

  useEffect(() => {
    const element = canvas.current
    const context = element?.getContext('2d')
    if (!element || !context || width === 0) return
    const ratio = globalThis.devicePixelRatio || 1
    element.width = width * ratio
    element.height = HEIGHT * ratio
    context.scale(ratio, ratio)
    const colours = readColours(element)
    const scale = width / (extent.endUs - extent.startUs)
    const thickness = Math.min(4, Math.max(1, (HEIGHT - 4) / shown.length))
    for (const [idx, row] of shown.entries()) {
      const outcome = rowOutcome(rows, row)
      const isSegment = rows.kind[row] === 'segment'
      context.fillStyle = outcome === 'ok' ? (isSegment ? colours.volume : colours.quiet) : colours[outcome]
      const x = ((rows.startUs[row] ?? 0) - extent.startUs) * scale
      const length = Math.max(1, (rows.durationUs[row] ?? extent.endUs - (rows.startUs[row] ?? 0)) * scale)
      context.fillRect(x, 2 + (idx / shown.length) * (HEIGHT - 4), length, thickness)
    }
  }, [rows, shown, extent, width, isDark])

  const at = (event: PointerEvent<Element>) =>
    Math.min(width, Math.max(0, event.clientX - event.currentTarget.getBoundingClientRect().left))
  const toTime = (x: number) => extent.startUs + (x / width) * (extent.endUs - extent.startUs)
  const toPixels = (us: number) => ((us - extent.startUs) / (extent.endUs - extent.startUs)) * width
  const finish = () => {
    if (drag && Math.abs(drag.to - drag.from) >= LEAST_DRAG) {
      const [from, to] = drag.from < drag.to ? [drag.from, drag.to] : [drag.to, drag.from]
      setWindow({ startUs: toTime(from), endUs: toTime(to) })
    } else if (drag) {
      setWindow(null)
    }
    setDrag(null)
  }
  const marked: TimeWindow | null = drag
    ? { startUs: toTime(Math.min(drag.from, drag.to)), endUs: toTime(Math.max(drag.from, drag.to)) }
    : isZoomed
      ? zoom
      : null

  return (
    <div
      ref={frame}
      className="overview"
      title="Drag to zoom into a part of the trace"
      onPointerDown={(event) => {
        if (event.button !== 0 || (event.target instanceof Element && event.target.closest('button'))) return
        event.currentTarget.setPointerCapture(event.pointerId)
        setDrag({ from: at(event), to: at(event) })
      }}
      onPointerMove={(event) => {
        if (drag) setDrag({ from: drag.from, to: at(event) })
      }}
      onPointerUp={finish}
      onPointerCancel={() => setDrag(null)}
    >
      <canvas ref={canvas} aria-hidden="true" />
      {marked && (
        <>
          <div className="overview-shade" style={{ left: 0, width: toPixels(marked.startUs) }} />
          <div className="overview-shade" style={{ left: toPixels(marked.endUs), right: 0 }} />
        </>
      )}
      {isZoomed && !drag && (
        <div className="overview-reset">
          <Button variant="inline-link" onClick={() => setWindow(null)}>
            {`Show all (now ${formatDuration((zoom.endUs - zoom.startUs) / 1e6)})`}
          </Button>
        </div>
      )}
    </div>
  )
}

/** Canvases take no CSS variables: the colours are read from where the bars get them. */
function readColours(element: Element) {
  const probe = document.createElement('span')
  element.parentElement?.append(probe)
  const read = (name: string) => {
    probe.style.color = `var(${name})`
    return getComputedStyle(probe).color
  }
  const colours = {
    volume: read('--volume'),
    quiet: read('--volume-quiet'),
    error: read('--error'),
    throttle: read('--throttle'),
    fault: read('--fault'),
  }
  probe.remove()
  return colours
}
