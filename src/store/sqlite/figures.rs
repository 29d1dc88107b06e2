//! What the book holds, and what holds it.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::FromSqlError;
use rustix::fs::statvfs;
use tokio::task::spawn_blocking;

use super::transaction::Counter;
use super::{Engine, room};
use crate::error::Error;
use crate::moment::Moment;
use crate::store::Figures;
use crate::token::KeyId;

/// How often figures are read at once.
pub(super) const FIGURES_MAX: usize = 2;
/// Keys whose expiry is told, those that end soonest.
const KEY_EXPIRIES_MAX: u32 = 1000;
const EXPIRIES: &str = "SELECT id, expires_on FROM api_keys
    WHERE expires_on > ?1 AND revoked_on IS NULL AND replaced_by IS NULL
    ORDER BY expires_on LIMIT ?2";

impl Engine {
    pub(crate) async fn figures(&self) -> Result<Figures, Error> {
        let permit = self.figures.try_acquire()?;
        let (readers, path) = (self.readers.clone(), self.path.clone());
        let read = spawn_blocking(move || {
            let _permit = permit;
            let connection = readers.connection()?;
            let figures = read(&connection, &path);
            figures.map_err(|error| readers.unreadable(&error))
        });
        read.await.map_err(|_| Error::Internal)?
    }
}

fn read(connection: &Connection, path: &Path) -> Result<Figures, rusqlite::Error> {
    let mut statement = connection.prepare_cached(EXPIRIES)?;
    let now = Moment::now().millis();
    let rows = statement.query_map((now, KEY_EXPIRIES_MAX), |row| {
        let id = KeyId::parse(row.get_ref(0)?.as_str()?).ok_or(FromSqlError::InvalidType)?;
        Ok((id, Moment::from_millis(row.get(1)?)))
    })?;
    let disk = statvfs(path).ok();
    let disk = disk.map(|disk| {
        [disk.f_blocks, disk.f_bavail].map(|blocks| blocks.saturating_mul(disk.f_frsize))
    });
    Ok(Figures {
        contacts: Counter::Contacts.read(connection)?,
        optouts: Counter::Optouts.read(connection)?,
        groups: Counter::Groups.read(connection)?,
        key_expiries: rows.collect::<Result<_, _>>()?,
        database_bytes: fs::metadata(path).map_or(0, |file| file.len()),
        wal_bytes: Some(room::wal_bytes(path)),
        disk_bytes: disk.map(|[all, _]| all),
        disk_free_bytes: disk.map(|[_, free]| free),
    })
}
