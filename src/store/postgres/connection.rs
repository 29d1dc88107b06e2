//! One connection: how it is made, and the statements that it has prepared.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};
use uuid::Uuid;

use super::location::Location;
use crate::contact::ContactId;
use crate::store::ids::IDS;

/// What a statement is given.
pub(super) type Values<'v> = [&'v (dyn ToSql + Sync)];

/// Rows over which each counter is spread.
const SLOTS: i16 = 16;

/// Settings of every connection. A transaction that is forgotten keeps no lock for long.
/// Whoever waited for a lock sees what was committed meanwhile.
const SETTINGS: &str = "SET client_min_messages = warning; SET statement_timeout = '30s';
    SET lock_timeout = '8s'; SET idle_in_transaction_session_timeout = '30s';
    SET standard_conforming_strings = on; SET jit = off;
    SET default_transaction_isolation = 'read committed'";
/// Statements that one connection has prepared: lists may be asked for in many ways. Of
/// more, all are forgotten, and those that are in use prepared again.
const PREPARED_MAX: usize = 256;

/// A connection and its prepared statements. What several tasks ask of one at once is
/// sent at once, and answered in order.
pub(super) struct Link {
    client: Client,
    statements: Mutex<HashMap<String, Statement>>,
    /// Where it counts, so that two that write seldom meet in one row.
    pub(super) slot: i16,
    /// Whether contacts are spread over shards.
    pub(super) is_sharded: bool,
}

impl Link {
    /// Connects to the first host that takes it.
    pub(super) async fn open(location: &Location) -> Result<Self, tokio_postgres::Error> {
        let client = if let Some(tls) = location.tls.clone() {
            let (client, connection) = location.config.connect(tls).await?;
            tokio::spawn(connection);
            client
        } else {
            let (client, connection) = location.config.connect(NoTls).await?;
            tokio::spawn(connection);
            client
        };
        client.batch_execute(SETTINGS).await?;
        if let Some(schema) = &location.schema {
            client.batch_execute(&alone(schema)).await?;
        }
        let [.., last] = IDS.next().into_bytes();
        Ok(Self {
            client,
            statements: Mutex::default(),
            slot: i16::from(last) % SLOTS,
            is_sharded: location.is_sharded,
        })
    }

    /// Has all tables be found in one schema alone from now on.
    pub(super) async fn stay_in(&self, schema: &str) -> Result<(), tokio_postgres::Error> {
        self.batch(&alone(schema)).await
    }

    /// Whether it is of no use any more.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The statement of this text, prepared once.
    pub(super) async fn prepared(&self, text: &str) -> Result<Statement, tokio_postgres::Error> {
        let known = self.lock().get(text).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let statement = self.client.prepare(text).await?;
        let mut statements = self.lock();
        if statements.len() >= PREPARED_MAX {
            statements.clear();
        }
        statements.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Statement>> {
        let locked = self.statements.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn query(
        &self,
        text: &str,
        values: &Values<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepared(text).await?;
        self.client.query(&statement, values).await
    }

    pub(super) async fn query_opt(
        &self,
        text: &str,
        values: &Values<'_>,
    ) -> Result<Option<Row>, tokio_postgres::Error> {
        Ok(self.query(text, values).await?.into_iter().next())
    }

    pub(super) async fn query_one(
        &self,
        text: &str,
        values: &Values<'_>,
    ) -> Result<Row, tokio_postgres::Error> {
        let statement = self.prepared(text).await?;
        self.client.query_one(&statement, values).await
    }

    /// How many rows the statement changed.
    pub(super) async fn execute(
        &self,
        text: &str,
        values: &Values<'_>,
    ) -> Result<u64, tokio_postgres::Error> {
        let statement = self.prepared(text).await?;
        self.client.execute(&statement, values).await
    }

    /// Statements without values, one after the other.
    pub(super) async fn batch(&self, text: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(text).await
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

/// The id of a contact as PostgreSQL has it.
pub(super) fn uuid(id: ContactId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

fn alone(schema: &str) -> String {
    format!("SET search_path TO {}", quoted(schema))
}

/// A name as a statement takes it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_quote_in_a_name_ends_nothing() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
