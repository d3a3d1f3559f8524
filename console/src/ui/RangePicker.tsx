// Choosing the time range: Cloudscape's picker, bound to the range in the address.

import DateRangePicker, { type DateRangePickerProps } from '@cloudscape-design/components/date-range-picker'
import { RELATIVE_RANGES, relativeParts, type TimeRange } from '../url/timeRange.ts'

interface Props {
  range: TimeRange
  onChange: (range: TimeRange) => void
}

const UNIT_SECONDS: Record<DateRangePickerProps.TimeUnit, number> = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
  week: 7 * 86_400,
  month: 30 * 86_400,
  year: 365 * 86_400,
}

const RELATIVE_OPTIONS: DateRangePickerProps.RelativeOption[] = RELATIVE_RANGES.map((seconds) => ({
  key: `last-${seconds}`,
  type: 'relative',
  ...relativeParts(seconds),
}))

export function RangePicker({ range, onChange }: Props) {
  return (
    <DateRangePicker
      value={toPicker(range)}
      onChange={({ detail }) => {
        const next = detail.value && fromPicker(detail.value)
        if (next) onChange(next)
      }}
      relativeOptions={RELATIVE_OPTIONS}
      isValidRange={validate}
      showClearButton={false}
      placeholder="Choose a time range"
      expandToViewport
      absoluteFormat="slashed"
      hideTimeOffset
      i18nStrings={{
        formatRelativeRange: ({ amount, unit }) => `Last ${amount} ${unit}${amount === 1 ? '' : 's'}`,
        relativeModeTitle: 'Relative',
        absoluteModeTitle: 'Absolute',
        customRelativeRangeOptionLabel: 'Custom',
        customRelativeRangeOptionDescription: 'Any length up to now',
      }}
    />
  )
}

function toPicker(range: TimeRange): DateRangePickerProps.Value {
  if (range.kind === 'relative') {
    // The key marks the option that is chosen; a length that is not offered has none.
    const isOffered = RELATIVE_RANGES.includes(range.seconds)
    return { type: 'relative', ...(isOffered && { key: `last-${range.seconds}` }), ...relativeParts(range.seconds) }
  }
  const iso = (seconds: number) => new Date(seconds * 1000).toISOString()
  return { type: 'absolute', startDate: iso(range.start), endDate: iso(range.end) }
}

function fromPicker(value: DateRangePickerProps.Value): TimeRange {
  if (value.type === 'relative') return { kind: 'relative', seconds: value.amount * UNIT_SECONDS[value.unit] }
  return { kind: 'absolute', start: Date.parse(value.startDate) / 1000, end: Date.parse(value.endDate) / 1000 }
}

function validate(value: DateRangePickerProps.Value | null): DateRangePickerProps.ValidationResult {
  if (!value) return { valid: false, errorMessage: 'Choose a range.' }
  const range = fromPicker(value)
  if (range.kind === 'relative') {
    return range.seconds > 0 ? { valid: true } : { valid: false, errorMessage: 'The length must be above zero.' }
  }
  if (Number.isNaN(range.start) || Number.isNaN(range.end)) {
    return { valid: false, errorMessage: 'Choose both ends, each with a date and a time.' }
  }
  return range.start < range.end ? { valid: true } : { valid: false, errorMessage: 'The start must be before the end.' }
}
