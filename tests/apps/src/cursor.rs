//! The reply to a query: BulkCursorDescriptor with a window of shared memory.
//!
//! The descriptor's fields are Android's. The window's contents are not: rows are lines, and columns are separated by tabs.
//! No tracer of binder sees them, as they travel in the memory behind the descriptor's file.

use crate::api::{self, Api};
use crate::parcel_reader as read;
use crate::parcel_writer::Writer;
use crate::service::{self, Answer, Exception, Service, Silent};
use rsbinder::{Parcel, ParcelFileDescriptor, Result, SIBinder, StatusCode};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

/// The size of Android's cursor windows: 2 MiB.
const WINDOW_SIZE: u64 = 2 << 20;
/// As much of a window is read, which is more than any table here fills.
const ROWS_READ: u64 = 64 << 10;

/// Writes the reply to a query that found `rows`.
pub fn write(api: Api, reply: &mut Writer, columns: &[String], rows: &[Vec<String>]) -> Answer {
    let cursor = service::binder(api::BULK_CURSOR, api, Box::new(Silent) as Box<dyn Service>)
        .map_err(|error| Exception::IllegalState(error.to_string()))?;
    let count = i32::try_from(rows.len()).map_err(|_| StatusCode::BadValue)?;
    let window = fill_window(rows).map_err(|error| Exception::IllegalState(format!("cursor window: {error}")))?;
    reply.i32(1)?;
    reply.binder(Some(&cursor))?;
    reply.strings16(Some(columns))?;
    reply.i32(0)?;
    reply.i32(count)?;
    reply.i32(1)?;
    // CursorWindow: first row, name, and what says how large it is.
    reply.i32(0)?;
    reply.string8(Some("rows"))?;
    if api.level() >= 31 {
        reply.i32(count)?;
        reply.i32(i32::try_from(columns.len()).unwrap_or(0))?;
        reply.i32(i32::try_from(WINDOW_SIZE).unwrap_or(0))?;
    }
    // rsbinder can only write a file the way ParcelFileDescriptor does, as 1, 0 and the descriptor; the 1 is where Android
    // says that the window is shared memory, the 0 is one word more than Android has.
    reply.own(&ParcelFileDescriptor::new(window))?;
    Ok(())
}

fn fill_window(rows: &[Vec<String>]) -> std::io::Result<File> {
    let mut window = File::from(rustix::fs::memfd_create("CursorWindow: rows", rustix::fs::MemfdFlags::CLOEXEC)?);
    window.set_len(WINDOW_SIZE)?;
    for row in rows {
        writeln!(window, "{}", row.join("\t"))?;
    }
    Ok(window)
}

/// Reads it: the cursor's binder, its columns, how many rows it has, and the rows' bytes.
pub fn read(api: Api, reply: &mut Parcel) -> Result<(SIBinder, Vec<String>, i32, Vec<u8>)> {
    if reply.read_i32()? != 1 {
        return Err(StatusCode::UnexpectedNull);
    }
    let cursor = reply.read()?;
    let columns = read::strings16(reply)?;
    let _wants_all = reply.read_i32()?;
    let count = reply.read_i32()?;
    if reply.read_i32()? != 1 {
        return Ok((cursor, columns, count, Vec::new()));
    }
    reply.read_i32()?;
    read::string8(reply)?;
    if api.level() >= 31 {
        for _rows_columns_size in 0..3 {
            reply.read_i32()?;
        }
    }
    let window: ParcelFileDescriptor = reply.read()?;
    let mut window = File::from(std::os::fd::OwnedFd::from(window));
    let mut bytes = Vec::new();
    let mut read_all = || -> std::io::Result<()> {
        window.seek(SeekFrom::Start(0))?;
        (&window).take(ROWS_READ).read_to_end(&mut bytes).map(drop)
    };
    read_all().map_err(|_| StatusCode::BadValue)?;
    bytes.retain(|&byte| byte != 0);
    Ok((cursor, columns, count, bytes))
}
