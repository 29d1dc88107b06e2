//! Looks recipients up, all in one read transaction.

use rusqlite::Connection;

use super::contacts::{self, ContactKey};
use super::optouts;
use crate::resolve::{Recipient, Resolved, Resolver};
use crate::template::Template;

/// Decides over each recipient in order; beside it, the text that named it.
pub(super) fn resolve(
    connection: &Connection,
    recipients: Vec<Recipient>,
    template: Option<Template>,
) -> Result<Vec<(String, Resolved)>, rusqlite::Error> {
    let mut resolver = Resolver::new(template);
    let decided = recipients.into_iter().map(|Recipient { sent, alias }| {
        let found = match alias {
            Some(alias) => contacts::find(connection, &ContactKey::Alias(alias))?,
            None => None,
        };
        let opted_out = match &found {
            Some(full) => optouts::exists(connection, &full.contact.msisdn)?,
            None => false,
        };
        Ok((sent, resolver.decide(found, opted_out)))
    });
    decided.collect()
}
