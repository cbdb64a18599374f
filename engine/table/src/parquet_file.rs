//! Parquet, flat schemas only: each column chunk is read by its physical type and given the
//! meaning its logical type (or the converted type of older writers) says.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use half::f16;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{self as types, ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescriptor, Type};

use crate::calendar;
use crate::cells::{Cells, Texts};
use crate::error::TableError;
use crate::table::{Column, Table};

/// What the stored values of a column mean.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    Plain,
    Unsigned,
    Text,
    Half,
    Date,
    /// Seconds have this many parts.
    Time(i64),
    Timestamp(i64),
    /// Digits behind the point.
    Decimal(i32),
}

pub(crate) fn read(path: &Path) -> Result<Table, TableError> {
    let file = File::open(path).map_err(|source| TableError::io(path, source))?;
    let wrong = |reason: String| TableError::format(path, "Parquet", reason);
    let library = |e: ParquetError| wrong(e.to_string());
    let reader = SerializedFileReader::new(file).map_err(library)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let mut columns = Vec::with_capacity(schema.num_columns());
    for (k, descriptor) in schema.columns().iter().enumerate() {
        let name = descriptor.path().string();
        if descriptor.max_rep_level() > 0 || descriptor.path().parts().len() > 1 {
            return Err(wrong(format!("column \"{name}\" is nested; only flat columns are read")));
        }
        let meaning = meaning(descriptor).map_err(|what| {
            wrong(format!("column \"{name}\" has type {what}, which cannot be a table column"))
        })?;
        let mut cells = empty(descriptor, meaning);
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group).map_err(library)?;
            let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            let chunk = group.get_column_reader(k).map_err(library)?;
            append(chunk, rows, meaning, &mut cells)
                .map_err(|reason| wrong(format!("column \"{name}\": {reason}")))?;
        }
        columns.push(Column { name, cells });
    }
    Table::new(path, columns)
}

fn parts(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    }
}

/// The meaning of a column, or the name of a type that a table does not hold.
fn meaning(column: &ColumnDescriptor) -> Result<Meaning, String> {
    let by_logical = match column.logical_type_ref() {
        Some(LogicalType::String | LogicalType::Enum | LogicalType::Json) => Some(Meaning::Text),
        Some(LogicalType::Decimal(d)) => Some(Meaning::Decimal(d.scale)),
        Some(LogicalType::Date) => Some(Meaning::Date),
        Some(LogicalType::Time(t)) => Some(Meaning::Time(parts(t.unit))),
        Some(LogicalType::Timestamp(t)) => Some(Meaning::Timestamp(parts(t.unit))),
        Some(LogicalType::Integer(i)) if !i.is_signed => Some(Meaning::Unsigned),
        Some(LogicalType::Integer(_) | LogicalType::Unknown) => Some(Meaning::Plain),
        Some(LogicalType::Float16) => Some(Meaning::Half),
        Some(other) => return Err(format!("{other:?}")),
        None => None,
    };
    if let Some(meaning) = by_logical {
        return Ok(meaning);
    }
    Ok(match (column.converted_type(), column.physical_type()) {
        (ConvertedType::NONE, Physical::INT96) => Meaning::Timestamp(parts(TimeUnit::NANOS)),
        // Older writers leave texts without annotation; whether they are is checked cell by cell.
        (ConvertedType::NONE, Physical::BYTE_ARRAY) => Meaning::Text,
        (ConvertedType::NONE, Physical::FIXED_LEN_BYTE_ARRAY) => return Err("fixed-length bytes".to_owned()),
        (ConvertedType::NONE, _) => Meaning::Plain,
        (ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON, _) => Meaning::Text,
        (ConvertedType::DECIMAL, _) => Meaning::Decimal(column.type_scale()),
        (ConvertedType::DATE, _) => Meaning::Date,
        (ConvertedType::TIME_MILLIS, _) => Meaning::Time(1_000),
        (ConvertedType::TIME_MICROS, _) => Meaning::Time(1_000_000),
        (ConvertedType::TIMESTAMP_MILLIS, _) => Meaning::Timestamp(1_000),
        (ConvertedType::TIMESTAMP_MICROS, _) => Meaning::Timestamp(1_000_000),
        (
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64,
            _,
        ) => Meaning::Unsigned,
        (ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::INT_32 | ConvertedType::INT_64, _) => {
            Meaning::Plain
        }
        (other, _) => return Err(format!("{other:?}")),
    })
}

fn empty(column: &ColumnDescriptor, meaning: Meaning) -> Cells {
    match (meaning, column.physical_type()) {
        (Meaning::Text | Meaning::Date | Meaning::Time(_) | Meaning::Timestamp(_), _) => {
            Cells::Text(Texts::new())
        }
        (Meaning::Half | Meaning::Decimal(_), _) | (_, Physical::FLOAT | Physical::DOUBLE) => {
            Cells::Float(Vec::new())
        }
        (_, Physical::BOOLEAN) => Cells::Bool(Vec::new()),
        _ => Cells::Int(Vec::new()),
    }
}

/// Appends a column chunk of `rows` rows.
fn append(chunk: ColumnReader, rows: usize, meaning: Meaning, cells: &mut Cells) -> Result<(), String> {
    match chunk {
        ColumnReader::BoolColumnReader(r) => match cells {
            Cells::Bool(all) => each(r, rows, |v| {
                all.push(v.copied());
                Ok(())
            }),
            _ => Err(MISMATCH.to_owned()),
        },
        ColumnReader::Int32ColumnReader(r) => each(r, rows, |v| {
            let wide = |v: &i32| {
                if meaning == Meaning::Unsigned { i64::from(v.cast_unsigned()) } else { i64::from(*v) }
            };
            push_integer(v.map(wide), meaning, cells)
        }),
        ColumnReader::Int64ColumnReader(r) => each(r, rows, |v| match v {
            Some(v) if meaning == Meaning::Unsigned && *v < 0 => {
                Err(format!("{} does not fit a signed 64-bit integer", v.cast_unsigned()))
            }
            v => push_integer(v.copied(), meaning, cells),
        }),
        ColumnReader::Int96ColumnReader(r) => {
            each(r, rows, |v| push_integer(v.map(types::Int96::to_nanos), meaning, cells))
        }
        ColumnReader::FloatColumnReader(r) => each(r, rows, |v| push_float(v.map(|v| f64::from(*v)), cells)),
        ColumnReader::DoubleColumnReader(r) => each(r, rows, |v| push_float(v.copied(), cells)),
        ColumnReader::ByteArrayColumnReader(r) => {
            each(r, rows, |v| push_bytes(v.map(ByteArray::data), meaning, cells))
        }
        ColumnReader::FixedLenByteArrayColumnReader(r) => {
            each(r, rows, |v| push_bytes(v.map(|v| v.data()), meaning, cells))
        }
    }
}

const MISMATCH: &str = "the stored type contradicts the schema";

/// Calls `push` for each row of a chunk, `None` for a null.
fn each<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    mut push: impl FnMut(Option<&T::T>) -> Result<(), String>,
) -> Result<(), String> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut done = 0;
    while done < rows {
        values.clear();
        levels.clear();
        let (records, _, _) = reader
            .read_records(rows - done, Some(&mut levels), None, &mut values)
            .map_err(|e| e.to_string())?;
        if records == 0 {
            return Err(format!("ends after {done} of {rows} rows"));
        }
        // A required column has no levels: every row has a value.
        let mut next = values.iter();
        for row in 0..records {
            let present = levels.get(row).is_none_or(|&level| level > 0);
            push(if present { Some(next.next().ok_or(MISMATCH)?) } else { None })?;
        }
        done += records;
    }
    Ok(())
}

fn push_integer(value: Option<i64>, meaning: Meaning, cells: &mut Cells) -> Result<(), String> {
    match (cells, meaning) {
        (Cells::Int(all), _) => all.push(value),
        (Cells::Float(all), Meaning::Decimal(scale)) => {
            all.push(value.map(|v| decimal(i128::from(v), scale)).transpose()?);
        }
        (Cells::Text(all), Meaning::Date) => all.push(value.map(calendar::date).as_deref()),
        (Cells::Text(all), Meaning::Time(parts)) => {
            all.push(value.map(|v| calendar::time(v, parts)).as_deref());
        }
        (Cells::Text(all), Meaning::Timestamp(parts)) => {
            all.push(value.map(|v| calendar::timestamp(v, parts)).as_deref());
        }
        _ => return Err(MISMATCH.to_owned()),
    }
    Ok(())
}

fn push_float(value: Option<f64>, cells: &mut Cells) -> Result<(), String> {
    let Cells::Float(all) = cells else { return Err(MISMATCH.to_owned()) };
    all.push(value);
    Ok(())
}

fn push_bytes(value: Option<&[u8]>, meaning: Meaning, cells: &mut Cells) -> Result<(), String> {
    match (cells, meaning, value) {
        (Cells::Text(all), Meaning::Text, Some(bytes)) => {
            let row = all.len() + 1;
            let text = std::str::from_utf8(bytes).map_err(|_| format!("row {row} is not UTF-8 text"))?;
            all.push(Some(text));
        }
        (Cells::Text(all), Meaning::Text, None) => all.push(None),
        (Cells::Float(all), Meaning::Half | Meaning::Decimal(_), None) => all.push(None),
        (Cells::Float(all), Meaning::Half, Some(&[low, high])) => {
            all.push(Some(f16::from_le_bytes([low, high]).to_f64()));
        }
        (Cells::Float(all), Meaning::Decimal(scale), Some(bytes)) if (1..=16).contains(&bytes.len()) => {
            // Big-endian two's complement of any length.
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
            let unscaled = bytes.iter().fold(sign, |v: i128, &b| (v << 8) | i128::from(b));
            all.push(Some(decimal(unscaled, scale)?));
        }
        _ => return Err(MISMATCH.to_owned()),
    }
    Ok(())
}

/// `unscaled * 10^-scale`, rounded once (by the parser of decimal texts).
fn decimal(unscaled: i128, scale: i32) -> Result<f64, String> {
    format!("{unscaled}e{}", -i64::from(scale)).parse().map_err(|_| MISMATCH.to_owned())
}

/// Writes one row group of nullable columns, compressed with Snappy.
pub(crate) fn write(out: &mut (impl io::Write + Send), table: &Table) -> io::Result<()> {
    let field = |column: &Column| {
        let (physical, logical) = match column.cells {
            Cells::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Cells::Float(_) => (Physical::DOUBLE, None),
            Cells::Int(_) => (Physical::INT64, None),
            Cells::Bool(_) => (Physical::BOOLEAN, None),
        };
        Type::primitive_type_builder(&column.name, physical)
            .with_logical_type(logical)
            .with_repetition(Repetition::OPTIONAL)
            .build()
            .map(Arc::new)
    };
    let fields = table.columns().iter().map(field).collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("osteon").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for column in table.columns() {
        let mut chunk = group.next_column()?.ok_or_else(|| io::Error::other("a column too many"))?;
        match &column.cells {
            Cells::Text(texts) => {
                let (values, levels) = split(texts.iter().map(|t| t.map(ByteArray::from)));
                chunk.typed::<types::ByteArrayType>().write_batch(&values, Some(&levels), None)?;
            }
            Cells::Float(values) => {
                let (values, levels) = split(values.iter().copied());
                chunk.typed::<types::DoubleType>().write_batch(&values, Some(&levels), None)?;
            }
            Cells::Int(values) => {
                let (values, levels) = split(values.iter().copied());
                chunk.typed::<types::Int64Type>().write_batch(&values, Some(&levels), None)?;
            }
            Cells::Bool(values) => {
                let (values, levels) = split(values.iter().copied());
                chunk.typed::<types::BoolType>().write_batch(&values, Some(&levels), None)?;
            }
        }
        chunk.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(())
}

/// The values that are there, and per row whether it has one (definition level).
fn split<T>(cells: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
    let mut values = Vec::new();
    let levels = cells
        .map(|cell| {
            let level = i16::from(cell.is_some());
            values.extend(cell);
            level
        })
        .collect();
    (values, levels)
}
