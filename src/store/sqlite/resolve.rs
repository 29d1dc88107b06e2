//! Looks recipients up, all in one read transaction.

use rusqlite::Connection;

use super::contacts::{self, select_full};
use super::{Engine, groups, optouts};
use crate::contact::{Alias, ContactKey, FullContact};
use crate::error::Error;
use crate::group::GroupId;
use crate::invalid::Invalid;
use crate::key::Grant;
use crate::resolve::{RECIPIENTS_MAX, Recipient, Resolved, Resolver};
use crate::template::Template;

const MEMBERS: &str = select_full!(
    "FROM memberships CROSS JOIN contacts ON contacts.id = memberships.contact_id
    WHERE memberships.group_id = ?1 ORDER BY memberships.contact_id"
);

impl Engine {
    pub(crate) async fn resolve(
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

/// Decides over each recipient in order, over those of a group in their order.
pub(super) fn resolve(
    connection: &Connection,
    recipients: Vec<Recipient>,
    template: Option<Template>,
) -> Result<AllResolved, rusqlite::Error> {
    let mut resolver = Resolver::new(template);
    let mut all = Vec::with_capacity(recipients.len());
    for Recipient { sent, alias } in recipients {
        let Some(found) = named(connection, sent, alias, RECIPIENTS_MAX - all.len())? else {
            return Ok(Err(Invalid::Recipients));
        };
        for (sent, found) in found {
            let opted_out = match &found {
                Some(full) => optouts::exists(connection, &full.contact.msisdn)?,
                None => false,
            };
            match resolver.decide(found, opted_out) {
                Ok(resolved) => all.push((sent, resolved)),
                Err(invalid) => return Ok(Err(invalid)),
            }
        }
    }
    if all.is_empty() {
        return Ok(Err(Invalid::Recipients));
    }
    Ok(Ok(all))
}

/// Recipients by name, with the contacts that they are.
type Named = Vec<(String, Option<FullContact>)>;

/// Whom a recipient names: one contact, nobody, or the members of a group, each
/// by its own alias. `None` where they are more than `recipients_max`; it reads
/// not one of those.
fn named(
    connection: &Connection,
    sent: String,
    alias: Option<Alias>,
    recipients_max: usize,
) -> Result<Option<Named>, rusqlite::Error> {
    let id = alias
        .as_ref()
        .and_then(|text| GroupId::parse(text.as_str()));
    let found = match alias {
        Some(alias) => contacts::find(connection, &ContactKey::Alias(alias))?,
        None => None,
    };
    let group = match id {
        Some(id) if found.is_none() => groups::find(connection, id)?,
        _ => None,
    };
    let recipients = group.as_ref().map_or(1, |group| group.members);
    if recipients > recipients_max as u64 {
        return Ok(None);
    }
    let Some(group) = group else {
        return Ok(Some(vec![(sent, found)]));
    };
    let mut statement = connection.prepare_cached(MEMBERS)?;
    let members = statement.query_map([group.id.as_bytes()], |row| {
        let full = contacts::full_contact(row)?;
        Ok((full.contact.alias.as_str().to_owned(), Some(full)))
    })?;
    members.collect::<Result<_, _>>().map(Some)
}
