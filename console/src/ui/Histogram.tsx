// A bar chart of requests by outcome, over response time or over time. Dragging selects a range of bars; for the
// keyboard there are two sliders over the chart, shown only by their focus ring.

import { useRef, useState, type PointerEvent } from 'react'
import { axisTop, countBetween, labelAnchor, peakCount, ticksWithRoom, type Bin, type Tick } from '../model/histogram.ts'
import { formatCount } from '../model/format.ts'
import { OUTCOME_LABEL, OUTCOMES, totalCount } from '../model/outcome.ts'
import { useElementSize } from './useElementSize.ts'

interface Props {
  bins: readonly Bin[]
  ticks: readonly Tick[]
  /** First and last selected bar. */
  selection: readonly [number, number] | null
  onSelect: (selection: [number, number] | null) => void
  describeBin: (bin: Bin) => string
  /** What is counted, in the singular: "request". */
  unit: string
  label: string
  height?: number
  /** False where the counts are not split by outcome. */
  hasOutcomes?: boolean
}

const MARGIN = { top: 10, right: 4, bottom: 24, left: 36 }
/** Trouble is drawn at least this high, in pixels. */
const LEAST_HEIGHT = 2

export function Histogram(props: Props) {
  const { bins, ticks, selection, onSelect, describeBin, unit, label, height = 170, hasOutcomes = true } = props
  const frame = useRef<HTMLDivElement>(null)
  const { width } = useElementSize(frame)
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null)
  const [hovered, setHovered] = useState<number | null>(null)

  const plotWidth = Math.max(1, width - MARGIN.left - MARGIN.right)
  const plotHeight = height - MARGIN.top - MARGIN.bottom
  const step = plotWidth / Math.max(1, bins.length)
  const top = axisTop(peakCount(bins))
  const shown = drag ? sorted(drag.from, drag.to) : selection

  const barAt = (event: PointerEvent<Element>) => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left - MARGIN.left
    return Math.min(bins.length - 1, Math.max(0, Math.floor(x / step)))
  }
  const finish = () => {
    if (drag) onSelect(isSame(selection, sorted(drag.from, drag.to)) ? null : sorted(drag.from, drag.to))
    setDrag(null)
  }
  const slide = (which: 0 | 1, value: number) => {
    const next: [number, number] = [...(selection ?? [0, bins.length - 1])]
    next[which] = value
    onSelect(sorted(next[0], next[1]))
  }

  return (
    <div ref={frame} className="histogram" role="group" aria-label={label}>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={describeAll(bins, shown, unit, describeBin)}
        onPointerDown={(event) => {
          if (event.button !== 0) return
          event.currentTarget.setPointerCapture(event.pointerId)
          setDrag({ from: barAt(event), to: barAt(event) })
        }}
        onPointerMove={(event) => {
          setHovered(barAt(event))
          if (drag) setDrag({ from: drag.from, to: barAt(event) })
        }}
        onPointerUp={finish}
        onPointerCancel={() => setDrag(null)}
        onPointerLeave={() => setHovered(null)}
      >
        <g transform={`translate(${MARGIN.left} ${MARGIN.top})`}>
          {[1, 0.5, 0].map((share) => (
            <g key={share} transform={`translate(0 ${plotHeight * (1 - share)})`}>
              <line className="chart-grid" x2={plotWidth} />
              <text className="chart-text" x={-8} dy="0.32em" textAnchor="end">
                {formatCount(top * share)}
              </text>
            </g>
          ))}
          {shown && (
            <rect
              className="chart-selection"
              x={shown[0] * step}
              width={(shown[1] - shown[0] + 1) * step}
              height={plotHeight}
            />
          )}
          {bins.map((bin, idx) => (
            <Bar
              key={bin.low}
              bin={bin}
              x={idx * step + Math.min(2, step * 0.1)}
              width={Math.max(1, step - Math.min(4, step * 0.2))}
              height={plotHeight}
              top={top}
              state={shown && (idx < shown[0] || idx > shown[1]) ? 'dimmed' : hovered === idx ? 'hovered' : 'plain'}
            />
          ))}
          {ticksWithRoom(ticks, plotWidth).map((tick) => (
            <text
              key={tick.place}
              className="chart-text"
              x={tick.place * plotWidth}
              y={plotHeight + 17}
              textAnchor={labelAnchor(tick.place)}
            >
              {tick.label}
            </text>
          ))}
        </g>
      </svg>
      {bins.length > 0 &&
        ([0, 1] as const).map((which) => (
          <input
            key={which}
            type="range"
            className="histogram-slider"
            min={0}
            max={bins.length - 1}
            value={selection?.[which] ?? (which === 0 ? 0 : bins.length - 1)}
            aria-label={`${label}: ${which === 0 ? 'from' : 'to'}`}
            aria-valuetext={describeBin(bins[selection?.[which] ?? (which === 0 ? 0 : bins.length - 1)] ?? EMPTY)}
            onChange={(event) => slide(which, Number(event.target.value))}
          />
        ))}
      {hovered !== null && bins[hovered] && (
        <Tip bin={bins[hovered]} x={MARGIN.left + (hovered + 0.5) * step} width={width} unit={unit} describeBin={describeBin} hasOutcomes={hasOutcomes} />
      )}
    </div>
  )
}

const EMPTY: Bin = { low: 0, high: 0, counts: { ok: 0, error: 0, throttle: 0, fault: 0 } }

interface BarProps {
  bin: Bin
  x: number
  width: number
  height: number
  top: number
  state: 'plain' | 'dimmed' | 'hovered'
}

/** Trouble stands at the bottom, where bars can be compared. */
function Bar({ bin, x, width, height, top, state }: BarProps) {
  let y = height
  return (
    <g className={`bar bar-${state}`}>
      {OUTCOMES.toReversed().map((outcome) => {
        const count = bin.counts[outcome]
        if (count === 0) return null
        const size = Math.max(LEAST_HEIGHT, (count / top) * height)
        y -= size
        return <rect key={outcome} className={`bar-${outcome}`} x={x} y={y} width={width} height={size} />
      })}
    </g>
  )
}

interface TipProps {
  bin: Bin
  x: number
  width: number
  unit: string
  describeBin: (bin: Bin) => string
  hasOutcomes: boolean
}

function Tip({ bin, x, width, unit, describeBin, hasOutcomes }: TipProps) {
  const isRight = x > width / 2
  return (
    <div className="chart-tip" aria-hidden="true" style={isRight ? { right: width - x + 8 } : { left: x + 8 }}>
      <strong>{describeBin(bin)}</strong>
      <span>
        {countOf(totalCount(bin.counts), unit)}
      </span>
      {hasOutcomes &&
        OUTCOMES.filter((outcome) => outcome !== 'ok' && bin.counts[outcome] > 0).map((outcome) => (
          <span key={outcome} className={`chart-tip-row dot dot-${outcome}`}>
            {OUTCOME_LABEL[outcome]} {formatCount(bin.counts[outcome])}
          </span>
        ))}
    </div>
  )
}

function countOf(count: number, unit: string): string {
  return `${formatCount(count)} ${unit}${count === 1 ? '' : 's'}`
}

function sorted(a: number, b: number): [number, number] {
  return a <= b ? [a, b] : [b, a]
}

function isSame(a: readonly [number, number] | null, b: readonly [number, number]): boolean {
  return a !== null && a[0] === b[0] && a[1] === b[1]
}

function describeAll(
  bins: readonly Bin[],
  shown: readonly [number, number] | null,
  unit: string,
  describeBin: (bin: Bin) => string,
): string {
  const total = countBetween(bins, 0, bins.length - 1)
  const text = countOf(total, unit)
  const [first, last] = [bins[shown?.[0] ?? -1], bins[shown?.[1] ?? -1]]
  if (!shown || !first || !last) return text
  return `${text}, ${formatCount(countBetween(bins, shown[0], shown[1]))} of them selected, from ${describeBin(first)} to ${describeBin(last)}`
}
