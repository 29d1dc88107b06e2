//! Looks recipients up, all in one read transaction.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::{Engine, contacts, groups, optouts};
use crate::contact::FullContact;
use crate::error::Error;
use crate::group::GroupId;
use crate::invalid::Invalid;
use crate::key::Grant;
use crate::resolve::{RECIPIENTS_MAX, Recipient, Resolved, Resolver};
use crate::template::Template;

/// Whole contacts but for their groups: no answer has them, and one contact may be
/// in a thousand.
macro_rules! select_without_groups {
    ($from:literal) => {
        concat!("SELECT id, alias, msisdn, meta, updated_on, NULL ", $from)
    };
}

const BY_ALIAS: &str = select_without_groups!("FROM contacts WHERE alias = ?1");
const MEMBERS: &str = select_without_groups!(
    "FROM memberships CROSS JOIN contacts ON contacts.id = memberships.contact_id
    WHERE memberships.group_id = ?1 ORDER BY memberships.contact_id"
);

impl Engine {
    pub(crate) async fn resolve(
        &self,
        grant: Grant,
        recipients: Vec<Recipient>,
        template: Option<Arc<Template>>,
    ) -> Result<Vec<(String, Resolved)>, Error> {
        let resolved = self
            .readers
            .resolve(grant.key(), move |connection| {
                resolve(connection, recipients, template)
            })
            .await?;
        Ok(resolved?)
    }
}

/// Each recipient as it was sent, and what came of it; or why there is no answer.
pub(super) type AllResolved = Result<Vec<(String, Resolved)>, Invalid>;

/// Decides over each recipient in order, over those of a group in their order. Each
/// contact is counted against the answer's limit before the next one is read.
pub(super) fn resolve(
    connection: &Connection,
    recipients: Vec<Recipient>,
    template: Option<Arc<Template>>,
) -> Result<AllResolved, rusqlite::Error> {
    let mut resolver = Resolver::new(template);
    let mut all = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        if let Err(invalid) = resolve_one(connection, recipient, &mut resolver, &mut all)? {
            return Ok(Err(invalid));
        }
    }
    Ok(if all.is_empty() {
        Err(Invalid::Recipients)
    } else {
        Ok(all)
    })
}

/// Whom a recipient names: one contact, nobody, or the members of a group, each by
/// its own alias. Of more than there may be, it reads not one.
fn resolve_one(
    connection: &Connection,
    Recipient { sent, alias }: Recipient,
    resolver: &mut Resolver,
    all: &mut Vec<(String, Resolved)>,
) -> Result<Result<(), Invalid>, rusqlite::Error> {
    let id = alias
        .as_ref()
        .and_then(|text| GroupId::parse(text.as_str()));
    let found = match &alias {
        Some(alias) => connection
            .prepare_cached(BY_ALIAS)?
            .query_row([alias.as_str()], contacts::full_contact)
            .optional()?,
        None => None,
    };
    let group = match id {
        Some(id) if found.is_none() => groups::find(connection, id)?,
        _ => None,
    };
    let recipients = group.as_ref().map_or(1, |group| group.members);
    if recipients > (RECIPIENTS_MAX - all.len()) as u64 {
        return Ok(Err(Invalid::Recipients));
    }
    let mut decide = |sent: String, found: Option<FullContact>| {
        let opted_out = match &found {
            Some(full) => optouts::exists(connection, &full.contact.msisdn)?,
            None => false,
        };
        let decided = resolver.decide(found, opted_out);
        Ok::<_, rusqlite::Error>(decided.map(|resolved| all.push((sent, resolved))))
    };
    let Some(group) = group else {
        return decide(sent, found);
    };
    let mut statement = connection.prepare_cached(MEMBERS)?;
    let mut rows = statement.query([group.id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let full = contacts::full_contact(row)?;
        if let Err(invalid) = decide(full.contact.alias.as_str().to_owned(), Some(full))? {
            return Ok(Err(invalid));
        }
    }
    Ok(Ok(()))
}
