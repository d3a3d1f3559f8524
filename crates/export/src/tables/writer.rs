//! Writing a table: rows are gathered up to a bound and then written as one row group.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::TableError;
use super::column::Column;

/// Rows of a row group: what DuckDB, which reads row groups in parallel, takes as one as well…
const GROUP_ROWS: usize = 122_880;
/// … and their bytes in memory. Encoding and compressing takes about as much again.
const GROUP_BYTES: usize = 48 << 20;

/// The version of the tables, which readers find in the file's metadata. A column may be added
/// without a new one.
const TABLE_VERSION: &str = "1";

/// What a table consists of.
pub(super) trait Table {
    /// A row.
    type Row<'r>;
    /// The table's name, and its file's before `.parquet`.
    const NAME: &'static str;
    /// Columns whose values seldom repeat, for which a dictionary would be tried in vain.
    const DISTINCT: &'static [&'static str];
    /// The columns in their order.
    fn columns() -> Vec<Column<Self>>;
}

/// A table that is being written. Without [`TableWriter::finish`] there is no readable file.
pub(super) struct TableWriter<T: Table, W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Column<T>>,
    group_rows: usize,
    group_bytes: usize,
    rows: u64,
}

impl<T: Table, W: Write + Send> TableWriter<T, W> {
    /// Begins a table.
    ///
    /// # Errors
    /// [`TableError::Write`].
    pub(super) fn new(out: W) -> Result<Self, TableError> {
        let columns = T::columns();
        let file = Self::begin(&columns, out).map_err(failed::<T>)?;
        Ok(Self { file, columns, group_rows: 0, group_bytes: 0, rows: 0 })
    }

    fn begin(columns: &[Column<T>], out: W) -> Result<SerializedFileWriter<W>, ParquetError> {
        let members: String = columns.iter().map(Column::schema).collect();
        let schema = parse_message_type(&format!("message {} {{ {members} }}", T::NAME))?;
        let fact = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(format!("Roentgen {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(vec![
                fact("roentgen.table", T::NAME),
                fact("roentgen.table_version", TABLE_VERSION),
            ]));
        for name in T::DISTINCT {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(*name), false);
        }
        SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build()))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When it could not be written; the table is then of no use.
    pub(super) fn append<'r>(&mut self, row: &'r T::Row<'r>) -> Result<(), TableError> {
        for column in &mut self.columns {
            let error = TableError::Type { table: T::NAME, column: column.name() };
            self.group_bytes += column.take(row).ok_or(error)?;
        }
        self.group_rows += 1;
        self.rows += 1;
        if self.group_rows >= GROUP_ROWS || self.group_bytes >= GROUP_BYTES {
            self.write_group().map_err(failed::<T>)?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if self.group_rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for leaf in self.columns.iter_mut().flat_map(Column::leaves) {
            let column = group.next_column()?;
            leaf.write(column.ok_or_else(|| ParquetError::EOF("no more columns".to_owned()))?)?;
        }
        group.close()?;
        (self.group_rows, self.group_bytes) = (0, 0);
        Ok(())
    }

    /// Writes what is left and the footer; gives back where it was written to, and the number of
    /// rows.
    ///
    /// # Errors
    /// As [`TableWriter::append`].
    pub(super) fn finish(mut self) -> Result<(W, u64), TableError> {
        self.write_group().map_err(failed::<T>)?;
        let out = self.file.into_inner().map_err(failed::<T>)?;
        Ok((out, self.rows))
    }
}

impl<T: Table, W: Write + Send> fmt::Debug for TableWriter<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableWriter")
            .field("table", &T::NAME)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

fn failed<T: Table>(cause: ParquetError) -> TableError {
    TableError::Write { table: T::NAME, cause }
}
