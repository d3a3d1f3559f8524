//! A file of documents, for other tools.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use roentgen_protocol::DATAGRAM_HEADER;

use super::{Run, Sent, Unsure};
use crate::emission::Emission;

/// Bytes written at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Documents after which time and stop are looked at.
const BURST: u64 = 256;

/// Where documents are written.
pub(crate) struct FileSink {
    out: BufWriter<Box<dyn Write + Send>>,
    name: String,
    with_headers: bool,
}

impl FileSink {
    /// Creates the file, or empties it; `-` is standard output.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn create(path: &Path, with_headers: bool) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let out: Box<dyn Write + Send> = if name == "-" {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(path).with_context(|| format!("create {name}"))?)
        };
        Ok(Self { out: BufWriter::with_capacity(BUFFER_BYTES, out), name, with_headers })
    }

    /// Writes until the schedule is over; gives what was written.
    ///
    /// # Errors
    /// When writing fails, as it does when the disk is full.
    pub(crate) fn run(mut self, run: &Run<'_>) -> anyhow::Result<Sent> {
        let mut emission = Emission::new(run.corpus, run.numbers, run.interleaved, run.late_after);
        let mut line = Vec::new();
        'run: while !run.is_stopped() {
            let now = run.clock.elapsed();
            for _ in 0..BURST {
                let Some(moment) = run.schedule.claim(now) else { break 'run };
                run.clock.sleep_until(moment);
                if !self.write_next(run, &mut emission, &mut line)? {
                    break 'run;
                }
            }
        }
        emission.finish();
        while self.write_next(run, &mut emission, &mut line)? {}
        self.out.flush().with_context(|| format!("write {}", self.name))?;
        let (batches, shapes) = emission.into_record();
        Ok(Sent { batches, shapes, unsure: Unsure::default() })
    }

    fn write_next(
        &mut self,
        run: &Run<'_>,
        emission: &mut Emission<'_>,
        line: &mut Vec<u8>,
    ) -> anyhow::Result<bool> {
        let now = run.clock.elapsed();
        let Some(emitted) = emission.next(now, run.clock.wall(now)) else { return Ok(false) };
        if emitted.is_first {
            run.figures.requests.add(1);
            run.figures.traces.add(u64::try_from(emitted.request.traces())?);
        }
        line.clear();
        if self.with_headers {
            line.extend_from_slice(DATAGRAM_HEADER);
        }
        emitted.request.write(emitted.document, line);
        line.push(b'\n');
        self.out.write_all(line).with_context(|| format!("write {}", self.name))?;
        run.figures.sent.add(1);
        run.figures.bytes.add(u64::try_from(emitted.request.bytes(emitted.document))?);
        Ok(true)
    }
}
