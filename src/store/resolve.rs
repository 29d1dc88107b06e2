//! Looks recipients up, all in one read transaction.

use rusqlite::Connection;

use super::contacts::{self, ContactKey};
use super::{Store, optouts};
use crate::error::{Error, Invalid};
use crate::key::Grant;
use crate::resolve::{Recipient, Resolved, Resolver};
use crate::template::Template;

impl Store {
    /// Finds out whom recipients name, whether they may be sent to, and the text
    /// for each: in one state of the address book.
    ///
    /// # Errors
    /// `AnswerTooLarge`; those of every read and every list.
    pub async fn resolve(
        &self,
        _grant: Grant,
        recipients: Vec<Recipient>,
        template: Option<Template>,
    ) -> Result<Vec<(String, Resolved)>, Error> {
        let resolved = self
            .readers
            .resolve(move |connection| resolve(connection, recipients, template))
            .await?;
        Ok(resolved?)
    }
}

/// Each recipient as it was sent, and what came of it; or why there is no answer.
pub(super) type AllResolved = Result<Vec<(String, Resolved)>, Invalid>;

/// Decides over each recipient in order.
pub(super) fn resolve(
    connection: &Connection,
    recipients: Vec<Recipient>,
    template: Option<Template>,
) -> Result<AllResolved, rusqlite::Error> {
    let mut resolver = Resolver::new(template);
    let mut all = Vec::with_capacity(recipients.len());
    for Recipient { sent, alias } in recipients {
        let found = match alias {
            Some(alias) => contacts::find(connection, &ContactKey::Alias(alias))?,
            None => None,
        };
        let opted_out = match &found {
            Some(full) => optouts::exists(connection, &full.contact.msisdn)?,
            None => false,
        };
        match resolver.decide(found, opted_out) {
            Ok(resolved) => all.push((sent, resolved)),
            Err(invalid) => return Ok(Err(invalid)),
        }
    }
    Ok(Ok(all))
}
