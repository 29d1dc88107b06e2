//! Looks recipients up, all in one read transaction.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::{Engine, contacts, groups, optouts};
use crate::contact::FullContact;
use crate::error::Error;
use crate::group::GroupId;
use crate::invalid::Invalid;
use crate::key::Grant;
use crate::resolve::{Collect, RECIPIENTS_MAX, Recipient, Resolver};
use crate::template::Template;

/// Whole contacts but for their groups: no answer has them, and one contact may be
/// in a thousand.
macro_rules! select_without_groups {
    ($from:literal) => {
        concat!(
            "SELECT id, alias, msisdn, checksum, meta, updated_on, NULL ",
            $from
        )
    };
}

const BY_ALIAS: &str = select_without_groups!("FROM contacts WHERE alias = ?1");
const MEMBERS: &str = select_without_groups!(
    "FROM memberships CROSS JOIN contacts ON contacts.id = memberships.contact_id
    WHERE memberships.group_id = ?1 ORDER BY memberships.contact_id"
);

impl Engine {
    pub(crate) async fn resolve<C: Send + 'static>(
        &self,
        grant: Grant,
        recipients: Vec<Recipient>,
        template: Option<Arc<Template>>,
        collected: C,
        each: Collect<C>,
    ) -> Result<C, Error> {
        let resolving = self.readers.resolve(grant.key(), move |connection| {
            let mut resolving = Resolving {
                connection,
                resolver: Resolver::new(template),
                count: 0,
                collected,
                each,
            };
            let resolved = resolving.resolve(recipients)?;
            Ok(resolved.map(|()| resolving.collected))
        });
        resolving.await?
    }
}

/// Recipients on their way through the resolver.
struct Resolving<'c, C> {
    connection: &'c Connection,
    resolver: Resolver,
    /// Those so far, each member of a group one.
    count: usize,
    collected: C,
    each: Collect<C>,
}

/// Nothing, or why there is no answer.
type Refused = Result<(), Error>;

impl<C> Resolving<'_, C> {
    /// Decides over each recipient in order, over those of a group in their order.
    fn resolve(&mut self, recipients: Vec<Recipient>) -> Result<Refused, rusqlite::Error> {
        for recipient in &recipients {
            if let Err(error) = self.resolve_one(recipient)? {
                return Ok(Err(error));
            }
        }
        Ok(match self.count {
            0 => Err(Invalid::Recipients.into()),
            _ => Ok(()),
        })
    }

    /// Whom a recipient names: one contact, nobody, or the members of a group, each by
    /// its own alias. Of more than there may be, it reads not one.
    fn resolve_one(&mut self, recipient: &Recipient) -> Result<Refused, rusqlite::Error> {
        let Recipient { sent, alias } = recipient;
        let id = alias
            .as_ref()
            .and_then(|text| GroupId::parse(text.as_str()));
        let found = match &alias {
            Some(alias) => self
                .connection
                .prepare_cached(BY_ALIAS)?
                .query_row([alias.as_str()], contacts::full_contact)
                .optional()?,
            None => None,
        };
        let group = match id {
            Some(id) if found.is_none() => groups::find(self.connection, id)?,
            _ => None,
        };
        let recipients = group.as_ref().map_or(1, |group| group.members);
        if recipients > (RECIPIENTS_MAX - self.count) as u64 {
            return Ok(Err(Invalid::Recipients.into()));
        }
        let Some(group) = group else {
            return self.decide(sent, found);
        };
        let mut statement = self.connection.prepare_cached(MEMBERS)?;
        let mut rows = statement.query([group.id.as_bytes()])?;
        while let Some(row) = rows.next()? {
            let full = contacts::full_contact(row)?;
            let alias = full.contact.alias.clone();
            if let Err(error) = self.decide(alias.as_str(), Some(full))? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn decide(
        &mut self,
        sent: &str,
        found: Option<FullContact>,
    ) -> Result<Refused, rusqlite::Error> {
        let opted_out = match &found {
            Some(full) => optouts::exists(self.connection, &full.contact.msisdn)?,
            None => false,
        };
        self.count += 1;
        let decided = self.resolver.decide(found, opted_out);
        Ok(decided
            .map_err(Error::from)
            .and_then(|resolved| (self.each)(&mut self.collected, sent, &resolved)))
    }
}
