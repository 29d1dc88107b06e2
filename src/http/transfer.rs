//! Import and export: address books as files.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{self, BodySize, MessageBody};
use actix_web::http::Method;
use actix_web::http::header::{Accept, CONTENT_DISPOSITION, Header, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::gate::auth::{Allowed, CreateContacts, PutContacts, ReadContacts};
use super::gate::connections::Connection;
use super::gate::observe::BodyRead;
use super::gate::observe::OnDisk;
use super::wire::envelope::{self, Refusal};
use super::wire::import_record::{RowErrorRecord, SummaryRecord};
use super::wire::query::Query;
use super::wire::upload::{self, MEDIA_TYPES, Upload};
use crate::bulk::BulkMode;
use crate::error::Error;
use crate::invalid::Invalid;
use crate::key::Grant;
use crate::permits::Permitted;
use crate::store::{DryRun, Store};
use crate::transfer::{
    ContactsFile, ExportError, Format, Reading, Row, Rows, Spool, SpoolWriter, Tally, Unreadable,
};

/// Bytes of an export that are read and sent at once.
const SEND_BYTES: usize = 64 * 1024;
/// Batches that are parsed and wait to be stored.
const BATCHES_MAX: usize = 1;

type Answer = Result<HttpResponse, Refusal>;

pub(super) async fn export(allowed: Allowed<ReadContacts>, request: HttpRequest) -> Answer {
    let with_mark = Query::parse(request.query_string())?.into_export()?;
    let format = accepted(&request);
    if with_mark && format != Format::Csv {
        return Err(Invalid::ExportBomOfJson.into());
    }
    if request.method() == Method::HEAD {
        return Ok(attachment(format, body::None::new()));
    }
    let spool = spool(allowed.store(), allowed.grant(), format, with_mark).await?;
    Ok(attachment(format, SpoolBody::of(spool)))
}

/// Writes the whole export first, so that a slow reader holds nobody up.
async fn spool(
    store: &Store,
    grant: Grant,
    format: Format,
    with_mark: bool,
) -> Result<Permitted<Spool>, Error> {
    // The one for its file, kept until it is sent; the other while it is written.
    let spool_permit = store.spool_permit(grant)?;
    let _permit = store.export_permit(grant).await?;
    // Gone with this future, when the client is.
    let waiting = Arc::new(());
    let wanted = Arc::downgrade(&waiting);
    let file = store.temporary_file().map_err(ExportError::Io);
    let file = file.map_err(export_error)?;
    let still_wanted = move |_| wanted.strong_count() > 0;
    let file = ContactsFile::new(format, SpoolWriter::new(file), still_wanted).with_mark(with_mark);
    let written = store.export(grant, file).await.map_err(export_error)?;
    drop(waiting);
    Ok(spool_permit.tie(written.finish()))
}

fn export_error(error: ExportError) -> Error {
    match error {
        ExportError::Store(error) => error,
        ExportError::Abandoned => Error::Internal,
        ExportError::Io(error) => match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Error::NoRoomForExport,
            _ => {
                log::error!(error:% = error; "an export cannot be written");
                Error::StorageUnreadable
            }
        },
    }
}

/// The media type of a format, without parameters.
pub(super) fn essence(format: Format) -> &'static str {
    let named = MEDIA_TYPES.iter().find(|(_, one)| *one == format);
    named.map_or("", |(name, _)| name)
}

/// The first format that the client names, the most wanted first; else CSV.
fn accepted(request: &HttpRequest) -> Format {
    let ranked = Accept::parse(request).map(|accept| accept.ranked());
    let formats = ranked.unwrap_or_default().into_iter();
    let mut formats = formats.filter_map(|range| match range.essence_str() {
        "text/*" | "*/*" => Some(Format::Csv),
        "application/*" => Some(Format::Ndjson),
        named => MEDIA_TYPES
            .iter()
            .find_map(|(name, format)| (*name == named).then_some(*format)),
    });
    formats.next().unwrap_or(Format::Csv)
}

fn attachment(format: Format, file: impl MessageBody + 'static) -> HttpResponse {
    let (content_type, disposition) = match format {
        Format::Csv => (
            "text/csv; charset=utf-8; header=present",
            "attachment; filename=\"contacts.csv\"",
        ),
        Format::Ndjson => (
            "application/x-ndjson",
            "attachment; filename=\"contacts.ndjson\"",
        ),
    };
    let mut answer = envelope::of_type(content_type, file);
    let disposition = HeaderValue::from_static(disposition);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_DISPOSITION, disposition);
    answer.extensions_mut().insert(OnDisk);
    answer
}

/// A spooled export on its way, read piece by piece where it keeps nobody waiting.
struct SpoolBody {
    spool: Arc<Permitted<Spool>>,
    sent: u64,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl SpoolBody {
    fn of(spool: Permitted<Spool>) -> Self {
        Self {
            spool: Arc::new(spool),
            sent: 0,
            reading: None,
        }
    }
}

impl MessageBody for SpoolBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.spool.bytes())
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        if self.sent == self.spool.bytes() {
            return Poll::Ready(None);
        }
        let (spool, from) = (Arc::clone(&self.spool), self.sent);
        let reading = self
            .reading
            .get_or_insert_with(|| spawn_blocking(move || spool.read_at(from, SEND_BYTES)));
        let Poll::Ready(read) = Pin::new(reading).poll(context) else {
            return Poll::Pending;
        };
        self.reading = None;
        let read = read.map_err(io::Error::other).flatten();
        let read =
            read.inspect_err(|error| log::error!(error:% = error; "an export cannot be sent"));
        Poll::Ready(Some(read.map(|bytes| {
            self.sent += bytes.len() as u64;
            Bytes::from(bytes)
        })))
    }
}

pub(super) async fn import(
    allowed: Allowed<CreateContacts>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    let (mode, encoding, dry_run) = Query::parse(request.query_string())?.into_import()?;
    let grant = match mode {
        BulkMode::Create => allowed.grant(),
        BulkMode::Upsert | BulkMode::Merge => allowed.widened::<PutContacts>()?,
    };
    let (format, upload) = Upload::begin(&request, payload)?;
    let store = allowed.store();
    let _permit = store.import_permit(grant)?;
    let trial = match dry_run {
        true => Some(store.dry_run(grant).await?),
        false => None,
    };
    let mut tally = Tally::default();
    Connection::ask_for_body(&request);
    let ended = allowed.ended();
    let receive = async move |chunks| {
        tokio::select! {
            received = upload.receive(chunks) => received,
            error = ended => Err(error.into()),
        }
    };
    let reading = Reading {
        format,
        encoding,
        mode,
        keeps_raw: false,
    };
    let imported = import_file(receive, reading, (store, grant), trial, &mut tally).await;
    if imported.is_ok() {
        request.extensions_mut().insert(BodyRead);
    }
    let counted = |tally: Tally| Counted::of(tally, mode, dry_run);
    answer(imported, tally, dry_run, counted)
}

/// What ends an import in its middle is told together with what stays.
fn answer(
    imported: Result<(), Refusal>,
    tally: Tally,
    dry_run: bool,
    counted: impl FnOnce(Tally) -> Counted,
) -> Answer {
    let line = tally.line;
    match imported {
        Ok(()) => Ok(envelope::succeeded(counted(tally))),
        Err(cause) if dry_run || line == 0 => Err(cause),
        Err(cause) => {
            let cause = Box::new(cause);
            let ended = Refusal::ImportEnded { cause, line };
            Ok(ended.answer_beside(counted(tally)))
        }
    }
}

/// Receives, parses and stores, each while the others do: receiving waits for
/// parsing, and parsing for storing.
async fn import_file(
    receive: impl AsyncFnOnce(mpsc::Sender<Bytes>) -> Result<(), Refusal>,
    reading: Reading,
    (store, grant): (&Store, Grant),
    trial: Option<DryRun>,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    let order = (store, grant, reading.mode);
    let (chunks, received) = upload::channel();
    let (parsed, batches) = mpsc::channel(BATCHES_MAX);
    let parsing = spawn_blocking(move || parse(reading, received, &parsed));
    let mut receiving = std::pin::pin!(receive(chunks));
    let mut storing = std::pin::pin!(store_batches(batches, order, trial, tally));
    // Where parsing or storing ends first, the rest of the body is not waited for.
    let (received, stored) = tokio::select! {
        biased;
        received = &mut receiving => (received, storing.await),
        stored = &mut storing => (Ok(()), stored),
    };
    stored?;
    received?;
    match parsing.await.map_err(|_| Error::Internal)? {
        Ok(()) => Ok(()),
        Err(error) => Err(error
            .into_invalid()
            .unwrap_or(Invalid::BodyUnreadable)
            .into()),
    }
}

fn parse(
    reading: Reading,
    received: upload::Received,
    parsed: &mpsc::Sender<Vec<Row>>,
) -> Result<(), Unreadable> {
    let mut rows = Rows::open(received, reading)?;
    loop {
        let batch = rows.batch()?;
        if batch.is_empty() || parsed.blocking_send(batch).is_err() {
            return Ok(());
        }
    }
}

async fn store_batches(
    mut batches: mpsc::Receiver<Vec<Row>>,
    (store, grant, mode): (&Store, Grant, BulkMode),
    mut trial: Option<DryRun>,
    tally: &mut Tally,
) -> Result<(), Error> {
    while let Some(batch) = batches.recv().await {
        let contacts = Tally::contacts(&batch);
        let outcomes = match trial {
            None => store.import(grant, mode, contacts).await?,
            Some(dry_run) => {
                let (dry_run, outcomes) = dry_run.import(mode, contacts).await?;
                trial = Some(dry_run);
                outcomes
            }
        };
        tally.add(&batch, outcomes, |_, _| {});
    }
    Ok(())
}

#[derive(Serialize)]
struct Counted {
    summary: SummaryRecord,
    errors: Vec<RowErrorRecord>,
}

impl Counted {
    fn of(tally: Tally, mode: BulkMode, dry_run: bool) -> Self {
        Self {
            summary: SummaryRecord::of(tally.summary, mode, dry_run),
            errors: tally.errors.into_iter().map(RowErrorRecord::of).collect(),
        }
    }
}
