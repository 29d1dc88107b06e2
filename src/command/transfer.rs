//! `addressbook import` and `addressbook export`: address books as files,
//! whether a server runs or not.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write, stdin, stdout};
use std::path::{Path, PathBuf};

use super::progress::Progress;
use super::{CommandError, check_target, locate_existing, open_existing};
use crate::bulk::{BulkMode, ItemOutcome};
use crate::cli::{Export, FileEncoding, FileFormat, Import, ImportMode};
use crate::contact::NewContact;
use crate::error::Error;
use crate::files;
use crate::http::wire::import_record::SummaryRecord;
use crate::invalid::Invalid;
use crate::store::{DryRun, Operator, is_url};
use crate::transfer::{
    ContactsFile, Encoding, ExportError, Format, Reading, Row, RowError, Rows, SpoolWriter, Tally,
    Unreadable,
};

/// Stands for a standard stream in place of a file.
const STREAM: &str = "-";
/// Bytes that are read, and passed on, at once.
const PIECE_BYTES: usize = 64 * 1024;
const TOO_LARGE_TO_KEEP: &str = "Row is too large for --rejects and is left out of it";

/// Reads contacts from a file and stores them, a batch in each transaction.
///
/// # Errors
/// One line for the operator; `RowsFailed` where some rows were not stored.
pub fn import(arguments: &Import) -> Result<(), CommandError> {
    let path = locate_existing(&arguments.database.path)?;
    if is_url(&path) {
        // Whether it is there, before a long input is read.
        open_existing(&path)?;
    }
    let file = open_input(&arguments.file)?;
    let bytes = file.as_ref().and_then(|file| file.metadata().ok());
    let bytes = bytes.filter(|file| file.is_file()).map(|file| file.len());
    let input: Box<dyn Read> = match file {
        Some(file) => Box::new(file),
        None => Box::new(stdin().lock()),
    };
    let input = BufReader::with_capacity(PIECE_BYTES, input);
    let reading = Reading {
        format: format(arguments.format),
        encoding: match arguments.encoding {
            FileEncoding::Utf8 => Encoding::Utf8,
            FileEncoding::Windows1252 => Encoding::Windows1252,
        },
        mode: mode(arguments.mode),
        keeps_raw: arguments.rejects.is_some(),
    };
    let mut rows =
        Rows::open(input, reading).map_err(|error| unreadable(&arguments.file, error))?;
    let first = rows
        .batch()
        .map_err(|error| unreadable(&arguments.file, error))?;
    let mut target = Target::open(&path, arguments)?;
    let mut rejects = Rejects::create(arguments.rejects.as_deref(), rows.header())?;
    let mut progress = Progress::of(bytes);
    let mut tally = Tally::default();
    let imported = import_rows(
        first,
        &mut rows,
        &mut target,
        &mut tally,
        &mut progress,
        &mut rejects,
    );
    progress.finish();
    let rejected = rejects.finish();
    let (line, failed, total) = (tally.line, tally.summary.failed, tally.summary.total);
    let printed = print_summary(tally, reading.mode, arguments.dry_run);
    imported.map_err(|error| ended(&arguments.file, error, line, arguments.dry_run))?;
    rejected?;
    printed?;
    match failed {
        0 => Ok(()),
        failed => Err(CommandError::RowsFailed(failed, total)),
    }
}

/// What ends an import in its middle.
enum Ended {
    Input(Unreadable),
    Store(Error),
    Rejects(CommandError),
}

fn import_rows(
    mut batch: Vec<Row>,
    rows: &mut Rows<impl io::BufRead>,
    target: &mut Target,
    tally: &mut Tally,
    progress: &mut Progress,
    rejects: &mut Rejects,
) -> Result<(), Ended> {
    while !batch.is_empty() {
        let outcomes = target
            .store(Tally::contacts(&batch))
            .map_err(Ended::Store)?;
        let mut kept = Ok(());
        tally.add(&batch, outcomes, |row, error| {
            progress.tell(&line_of(error));
            if rejects.cannot_keep(row) {
                progress.tell(&format!("line {}: {TOO_LARGE_TO_KEEP}", row.line));
            }
            if kept.is_ok() {
                kept = rejects.keep(row);
            }
        });
        kept.map_err(Ended::Rejects)?;
        progress.advance(rows.bytes(), tally.summary.total);
        batch = rows.batch().map_err(Ended::Input)?;
    }
    Ok(())
}

fn line_of(error: &RowError) -> String {
    let RowError {
        line,
        field,
        message,
    } = error;
    match field {
        Some(field) => format!("line {line}: {field}: {message}"),
        None => format!("line {line}: {message}"),
    }
}

/// A failure in the middle, and what stays of what was before it.
fn ended(file: &Path, ended: Ended, line: u64, dry_run: bool) -> CommandError {
    let cause = match ended {
        Ended::Input(error) => unreadable(file, error),
        Ended::Store(error) => error.into(),
        Ended::Rejects(error) => error,
    };
    if dry_run || line == 0 {
        return cause;
    }
    CommandError::ImportEnded {
        line,
        cause: Box::new(cause),
    }
}

fn unreadable(file: &Path, error: Unreadable) -> CommandError {
    match error.into_invalid() {
        Ok(invalid) => CommandError::Argument(invalid),
        Err(source) => CommandError::file(file, source),
    }
}

fn print_summary(tally: Tally, mode: BulkMode, dry_run: bool) -> Result<(), CommandError> {
    let mut out = stdout().lock();
    let summary = SummaryRecord::of(tally.summary, mode, dry_run);
    serde_json::to_writer(&mut out, &summary).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

fn open_input(path: &Path) -> Result<Option<File>, CommandError> {
    if path.as_os_str() == STREAM {
        return Ok(None);
    }
    let opened = File::open(path).map_err(|source| CommandError::file(path, source));
    opened.map(Some)
}

fn format(format: FileFormat) -> Format {
    match format {
        FileFormat::Csv => Format::Csv,
        FileFormat::Ndjson => Format::Ndjson,
    }
}

fn mode(mode: ImportMode) -> BulkMode {
    match mode {
        ImportMode::Create => BulkMode::Create,
        ImportMode::Upsert => BulkMode::Upsert,
        ImportMode::Merge => BulkMode::Merge,
    }
}

/// Where the rows of an import go.
struct Target {
    operator: Operator,
    dry_run: Option<DryRun>,
    mode: BulkMode,
}

impl Target {
    fn open(path: &Path, arguments: &Import) -> Result<Self, CommandError> {
        let operator = open_existing(path)?;
        let dry_run = match arguments.dry_run {
            true => Some(operator.dry_run()?),
            false => None,
        };
        Ok(Self {
            operator,
            dry_run,
            mode: mode(arguments.mode),
        })
    }

    fn store(&mut self, contacts: Vec<NewContact>) -> Result<Vec<ItemOutcome>, Error> {
        match &self.dry_run {
            Some(dry_run) => dry_run.import_blocking(self.mode, contacts),
            None => self.operator.import(self.mode, contacts),
        }
    }
}

/// The file that gets the bad rows; none is left where there are none.
struct Rejects {
    file: Option<(PathBuf, File)>,
    header: Vec<u8>,
    kept: bool,
}

impl Rejects {
    fn create(path: Option<&Path>, header: &[u8]) -> Result<Self, CommandError> {
        let file = match path {
            Some(path) => {
                let made = files::create_private(path);
                let made = made.map_err(|source| CommandError::file(path, source))?;
                Some((path.to_owned(), made))
            }
            None => None,
        };
        Ok(Self {
            file,
            header: header.to_owned(),
            kept: false,
        })
    }

    fn cannot_keep(&self, row: &Row) -> bool {
        self.file.is_some() && row.raw.is_empty()
    }

    /// Keeps a row as it came, where it is not too large, behind the first line as it came.
    fn keep(&mut self, row: &Row) -> Result<(), CommandError> {
        if row.raw.is_empty() {
            return Ok(());
        }
        let Some((path, file)) = &mut self.file else {
            return Ok(());
        };
        let mut bytes = Vec::with_capacity(row.raw.len() + 2);
        if !self.kept {
            append_line(&self.header, &mut bytes);
        }
        append_line(&row.raw, &mut bytes);
        self.kept = true;
        file.write_all(&bytes)
            .map_err(|source| CommandError::file(path, source))
    }

    fn finish(self) -> Result<(), CommandError> {
        let Some((path, file)) = self.file else {
            return Ok(());
        };
        let finished = if self.kept {
            file.sync_all()
        } else {
            fs::remove_file(&path)
        };
        finished.map_err(|source| CommandError::file(&path, source))
    }
}

/// Appends a line with the end that it came with, as far as that is known.
fn append_line(line: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(line);
    if line.ends_with(b"\r") || !(line.is_empty() || line.ends_with(b"\n")) {
        bytes.push(b'\n');
    }
}

/// Writes all contacts to a file.
///
/// # Errors
/// One line for the operator; `PipeClosed` where nobody reads any more.
pub fn export(arguments: &Export) -> Result<(), CommandError> {
    if arguments.bom && !matches!(arguments.format, FileFormat::Csv) {
        return Err(CommandError::Argument(Invalid::ExportBomOfJson));
    }
    let operator = open_existing(&arguments.database.path)?;
    let mut progress = Progress::of(Some(operator.contact_count()?));
    let exported = if arguments.file.as_os_str() == STREAM {
        export_to_stream(&operator, arguments, &mut progress)
    } else {
        export_to_file(&operator, arguments, &mut progress)
    };
    progress.finish();
    exported
}

/// A file whose rows are told to `progress`.
fn contacts_file<W: Write>(
    arguments: &Export,
    out: W,
    progress: &mut Progress,
) -> ContactsFile<W, impl FnMut(u64) -> bool> {
    let told = |rows| {
        progress.advance(rows, rows);
        true
    };
    ContactsFile::new(format(arguments.format), out, told).with_mark(arguments.bom)
}

/// Spools first: a reader that is slow does not keep the WAL from being reset.
fn export_to_stream(
    operator: &Operator,
    arguments: &Export,
    progress: &mut Progress,
) -> Result<(), CommandError> {
    let file = operator.temporary_file().map(SpoolWriter::new);
    let file = file.map_err(|source| CommandError::file(operator.path(), source))?;
    let exported = operator.export(contacts_file(arguments, file, progress));
    let spool = exported.map_err(|error| failed(operator.path(), error))?;
    let spool = spool.finish();
    let mut out = stdout().lock();
    let mut sent = 0;
    while sent < spool.bytes() {
        let piece = spool.read_at(sent, PIECE_BYTES)?;
        out.write_all(&piece)?;
        sent += piece.len() as u64;
    }
    out.flush()?;
    Ok(())
}

/// Writes under another name, so that half an export never stands under its own.
fn export_to_file(
    operator: &Operator,
    arguments: &Export,
    progress: &mut Progress,
) -> Result<(), CommandError> {
    let path = arguments.file.as_path();
    check_target(operator, path)?;
    let draft = files::temporary_beside(path);
    let file = files::create_private(&draft);
    let mut file = file.map_err(|source| CommandError::file(path, source))?;
    let written = operator
        .export(contacts_file(arguments, &mut file, progress))
        .and_then(|file| Ok(file.sync_all()?))
        .and_then(|()| Ok(fs::rename(&draft, path)?))
        .and_then(|()| Ok(files::sync_directory_of(path)?));
    if written.is_err() {
        // It may have its name already; what failed is what is told.
        let _ = fs::remove_file(&draft);
    }
    written.map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: ExportError) -> CommandError {
    match error {
        ExportError::Store(error) => error.into(),
        ExportError::Io(source) => CommandError::file(path, source),
        ExportError::Abandoned => Error::Internal.into(),
    }
}
