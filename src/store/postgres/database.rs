//! A book that the command line has open: one connection, and a runtime for it, so that
//! whoever asks may block.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::connection::Link;
use super::failure::{self, Failure, Kind, told};
use super::location::Location;
use super::locks;
use super::migrations;
use super::place;
use super::transaction::{Counter, Transaction};
use super::writer::{Keys, begin};
use crate::error::Error;
use crate::store::OpenError;

/// How long a change is tried again, while it meets others.
const TRYING_TIME_MAX: Duration = Duration::from_secs(8);
const DURABILITY: &str = "SELECT current_setting('fsync'), current_setting('synchronous_commit'),
    current_setting('full_page_writes')";

/// An open book.
pub struct Database {
    pub(super) location: Location,
    pub(super) link: Link,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl Database {
    /// Opens the book at `url`, made first where there is none and brought to today's
    /// schema where it is older.
    pub(crate) fn open_or_create(url: &Path) -> Result<Self, OpenError> {
        let location = Location::parse(url)?;
        let mut database = Self::connect(&location)?;
        database.bring_up_to_date()?;
        Ok(database)
    }

    /// The same for a book that is there.
    pub(crate) fn open_existing(url: &Path) -> Result<Option<Self>, OpenError> {
        let location = Location::parse(url)?;
        let mut database = Self::connect(&location)?;
        let version = database.wait(migrations::version(&database.link, &location))?;
        if version.is_none() {
            return Ok(None);
        }
        database.bring_up_to_date()?;
        Ok(Some(database))
    }

    fn bring_up_to_date(&mut self) -> Result<(), OpenError> {
        self.wait(migrations::run(&self.link, &self.location))?;
        let is_sharded = self.wait(locks::are_sharded(&self.link));
        let is_sharded = is_sharded.map_err(|error| self.location.storage_error(told(&error)))?;
        self.location.is_sharded = is_sharded;
        self.link.is_sharded = is_sharded;
        Ok(())
    }

    /// Opens the book of a server that has it open.
    pub(super) fn connect(location: &Location) -> Result<Self, OpenError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| location.storage_error(error))?;
        let mut location = location.clone();
        let opened = runtime.block_on(async {
            let link = Link::open(&location).await?;
            if location.schema.is_none() {
                location.schema = place::named_first(&link).await?;
                if let Some(schema) = &location.schema {
                    link.stay_in(schema).await?;
                }
            }
            Ok(link)
        });
        let failed = |error: tokio_postgres::Error| location.storage_error(told(&error));
        let link = opened.map_err(failed)?;
        if location.schema.is_none() {
            return Err(location.storage_error("search_path names no schema for the book"));
        }
        Ok(Self {
            location,
            link,
            runtime: Some(runtime),
        })
    }

    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref();
        runtime
            .expect("it is there until this is dropped")
            .block_on(future)
    }

    /// Refuses a server that may lose what it has acknowledged.
    pub(crate) fn check_durability(&self) -> Result<(), OpenError> {
        let asked = self.wait(async {
            let row = self.link.query_one(DURABILITY, &[]).await?;
            Ok([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?])
        });
        let failed = |error: tokio_postgres::Error| self.location.storage_error(told(&error));
        let settings: [String; 3] = asked.map_err(failed)?;
        let names = ["fsync", "synchronous_commit", "full_page_writes"];
        for (name, setting) in names.into_iter().zip(settings) {
            if setting == "off" {
                return Err(OpenError::Unsynced {
                    path: self.location.shown().to_owned(),
                    setting: name,
                });
            }
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        self.location.shown()
    }

    pub(crate) fn is_made_of(&self, _path: &Path) -> bool {
        false
    }

    /// In the directory for temporary files: there is none beside this book.
    pub(crate) fn temporary_file(&self) -> io::Result<File> {
        super::temporary_file()
    }

    pub(crate) fn contact_count(&self) -> Result<u64, Error> {
        self.read(async |link| Ok(Counter::Contacts.read(link).await?))
    }

    pub(super) fn read<T>(
        &self,
        query: impl AsyncFnOnce(&Link) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let read = self.wait(query(&self.link));
        read.map_err(|failed| match failed {
            Failure::Refused(error) => error,
            Failure::Overtaken => Error::Internal,
            Failure::Storage(error) => failure::unreadable(&error, "a read failed"),
        })
    }

    /// Does `work` in a transaction that has the keys for itself.
    pub(super) fn change<T>(
        &mut self,
        work: impl AsyncFn(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.transact(Keys::Changes, work)
    }

    pub(super) fn transact<T>(
        &mut self,
        keys: Keys,
        work: impl AsyncFn(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        loop {
            let done = self.wait(try_once(&self.link, keys, &work));
            let is_worth_it = begun.elapsed() < TRYING_TIME_MAX;
            match done {
                Ok(done) => return done,
                Err(Failure::Refused(error)) => return Err(error),
                Err(Failure::Overtaken) if is_worth_it => {}
                Err(Failure::Overtaken) => return Err(Error::Busy),
                Err(Failure::Storage(error))
                    if is_worth_it && failure::kind(&error) == Kind::Met => {}
                Err(Failure::Storage(error)) => {
                    return Err(failure::unwritten(&error, "a transaction failed"));
                }
            }
        }
    }
}

/// The outer error is of before the commit.
async fn try_once<T>(
    link: &Link,
    keys: Keys,
    work: &impl AsyncFn(&Transaction<'_>) -> Result<T, Failure>,
) -> Result<Result<T, Error>, Failure> {
    let transaction = Transaction::on(link);
    let doing = async {
        begin(link, (None, keys)).await?;
        let done = work(&transaction).await?;
        transaction.write_counters().await?;
        Ok(done)
    };
    match doing.await {
        Ok(done) => match link.batch("COMMIT").await {
            Ok(()) => Ok(Ok(done)),
            Err(error) if failure::kind(&error) == Kind::Lost => Ok(Err(Error::OutcomeUnknown)),
            Err(error) => Err(error.into()),
        },
        Err(failed) => {
            // A connection that is lost has rolled back by itself.
            let _ = link.batch("ROLLBACK").await;
            Err(failed)
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also where it is dropped on a thread that must not block.
            runtime.shutdown_background();
        }
    }
}
