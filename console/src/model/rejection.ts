// Why the server refused what arrived, in words. The codes are those of `rejectedByReason`.

const WORDS: Record<string, string> = {
  // Datagrams.
  empty_datagram: 'an empty packet',
  missing_header: 'no header line before the document',
  missing_document: 'a header line without a document',
  invalid_header: 'a header line other than {"format":"json","version":1}',
  // Documents.
  ParseError: 'not JSON',
  MissingId: 'no id',
  InvalidId: 'id is not 16 hex digits',
  MissingTraceId: 'no trace_id',
  InvalidTraceId: 'trace_id is not 1-<8 hex digits>-<24 hex digits>',
  MissingParentId: 'a subsegment without parent_id',
  InvalidParentId: 'parent_id is not 16 hex digits',
  MissingName: 'no name',
  InvalidName: 'name is empty, too long or not text',
  MissingStartTime: 'no start_time',
  InvalidStartTime: 'start_time is no epoch time in seconds',
  InvalidEndTime: 'end_time is no epoch time in seconds',
  InvalidSegment: 'a field has the wrong type',
}

/** "not JSON (3), no id (1)", the most frequent first. A code without words stands for itself. */
export function describeRejections(countByReason: Record<string, number>): string {
  return Object.entries(countByReason)
    .filter(([, count]) => count > 0)
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${WORDS[reason] ?? reason} (${count.toLocaleString('en-US')})`)
    .join(', ')
}
