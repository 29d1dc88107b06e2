//! An import: each batch one transaction; or a dry run, which says what would become
//! of the rows.

use tokio::task::spawn_blocking;

use super::connection::Values;
use super::failure::{self, Failure};
use super::location::Location;
use super::transaction::Transaction;
use super::writer::Keys;
use super::{Database, Engine, bulk};
use crate::bulk::{BulkMode, BulkOrder, ItemOutcome};
use crate::contact::NewContact;
use crate::error::Error;
use crate::key::Grant;
use crate::permits::Permit;

/// Imports over HTTP that are under way at once; a dry run has a connection.
pub(super) const IMPORTS_MAX: usize = 16;
pub(super) const IMPORTS_OF_KEY_MAX: usize = 4;

/// Tables of this connection alone, which are found before the real ones: storing in
/// them is done by the same statements.
const SCRATCH: &str = "
    CREATE TEMPORARY TABLE contacts (LIKE contacts INCLUDING INDEXES);
    CREATE TEMPORARY TABLE memberships (LIKE memberships INCLUDING INDEXES);
    CREATE TEMPORARY TABLE counters (LIKE counters INCLUDING INDEXES)";
const BOOK: &str = "SELECT quote_ident(current_schema())";

impl Engine {
    pub(crate) fn import_permit(&self, grant: Grant) -> Result<Permit, Error> {
        self.imports.try_acquire(grant.key())
    }

    pub(crate) async fn dry_run(&self, _grant: Grant) -> Result<DryRun, Error> {
        let location = self.location.clone();
        let begun = spawn_blocking(move || DryRun::begin(&location)).await;
        begun.map_err(|_| Error::Internal)?
    }
}

impl Database {
    pub(crate) fn import(
        &mut self,
        mode: BulkMode,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        self.transact(Keys::Shares, async |transaction| {
            bulk::store(transaction, BulkOrder::each(mode), &contacts).await
        })
    }

    pub(crate) fn dry_run(&self) -> Result<DryRun, Error> {
        DryRun::begin(&self.location)
    }
}

/// A dry run: tables of its own that hold what the rows so far named, as it was and as
/// they would have left it. They go with the connection.
pub struct DryRun {
    scratch: Database,
    /// Fetches into the scratch what is named and not there yet.
    fetch: String,
}

impl DryRun {
    fn begin(location: &Location) -> Result<Self, Error> {
        // Nor are those tables spread over shards.
        let mut location = location.clone();
        location.is_sharded = false;
        let scratch = Database::connect(&location).map_err(|error| {
            log::error!(error:% = error; "a dry run could not begin");
            Error::StorageFailed
        })?;
        let begun = scratch.wait(async {
            let book = scratch.link.query_one(BOOK, &[]).await?;
            scratch.link.batch(SCRATCH).await?;
            book.try_get(0)
        });
        let book: String =
            begun.map_err(|error| failure::unwritten(&error, "a dry run could not begin"))?;
        let fetch = format!(
            "INSERT INTO pg_temp.contacts SELECT * FROM {book}.contacts
            WHERE alias = ANY($1) ON CONFLICT (alias) DO NOTHING"
        );
        Ok(Self { scratch, fetch })
    }

    pub(crate) async fn import(
        self,
        mode: BulkMode,
        contacts: Vec<NewContact>,
    ) -> Result<(Self, Vec<ItemOutcome>), Error> {
        let tried = spawn_blocking(move || {
            let outcomes = self.import_blocking(mode, contacts)?;
            Ok((self, outcomes))
        });
        tried.await.map_err(|_| Error::Internal)?
    }

    /// Fetches what the contacts name and is not there yet, then does to it what
    /// storing does, by the same function.
    pub(crate) fn import_blocking(
        &self,
        mode: BulkMode,
        contacts: Vec<NewContact>,
    ) -> Result<Vec<ItemOutcome>, Error> {
        let aliases = contacts.iter().map(|contact| contact.alias.as_str());
        let aliases: Vec<&str> = aliases.collect();
        let link = &self.scratch.link;
        let tried = self.scratch.wait(async {
            let values: &Values<'_> = &[&aliases];
            link.execute(&self.fetch, values).await?;
            let transaction = Transaction::on(link);
            link.batch("BEGIN").await?;
            let stored = bulk::store(&transaction, BulkOrder::each(mode), &contacts).await;
            let end = if stored.is_ok() { "COMMIT" } else { "ROLLBACK" };
            link.batch(end).await?;
            stored
        });
        tried.map_err(|failed| match failed {
            Failure::Refused(error) => error,
            Failure::Overtaken => Error::Internal,
            Failure::Storage(error) => failure::unwritten(&error, "a dry run failed"),
        })
    }
}
