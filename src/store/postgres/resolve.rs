//! Looks recipients up, all in one state, many at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Row;

use super::connection::{Link, Values, uuid};
use super::failure::Failure;
use super::{Engine, contacts, groups};
use crate::contact::FullContact;
use crate::error::Error;
use crate::group::{Group, GroupId};
use crate::invalid::Invalid;
use crate::key::Grant;
use crate::resolve::{Collect, RECIPIENTS_MAX, Recipient, Resolver};
use crate::template::Template;

/// Whole contacts but for their groups, and whether their number is opted out: in one
/// of the two spellings that older rules let in.
macro_rules! select_without_groups {
    ($from:literal) => {
        concat!(
            "SELECT contacts.id, contacts.alias, contacts.msisdn, contacts.meta::text,
                contacts.updated_on, NULL::text ",
            $from
        )
    };
}

const BY_ALIASES: &str = select_without_groups!("FROM contacts WHERE alias = ANY($1)");
const MEMBERS: &str = select_without_groups!(
    "FROM memberships JOIN contacts ON contacts.alias = memberships.alias
    WHERE memberships.group_id = $1 AND memberships.contact_id > $2
    ORDER BY memberships.contact_id LIMIT $3"
);
const OPTED_OUT: &str = "SELECT msisdn FROM optouts WHERE msisdn = ANY($1)";

/// Recipients that are looked up at once.
const AT_ONCE_MAX: usize = 500;

impl Engine {
    pub(crate) async fn resolve<C: Send + 'static>(
        &self,
        grant: Grant,
        recipients: Vec<Recipient>,
        template: Option<Arc<Template>>,
        collected: C,
        each: Collect<C>,
    ) -> Result<C, Error> {
        let resolving = self.readers.resolve(grant.key(), async move |link| {
            let mut resolving = Resolving {
                link,
                resolver: Resolver::new(template),
                count: 0,
                collected,
                each,
            };
            for some in recipients.chunks(AT_ONCE_MAX) {
                resolving.resolve(some).await?;
            }
            match resolving.count {
                0 => Err(Error::from(Invalid::Recipients).into()),
                _ => Ok(resolving.collected),
            }
        });
        resolving.await
    }
}

/// Recipients on their way through the resolver.
struct Resolving<'c, C> {
    link: &'c Link,
    resolver: Resolver,
    /// Those so far, each member of a group one.
    count: usize,
    collected: C,
    each: Collect<C>,
}

impl<C> Resolving<'_, C> {
    /// Decides over each recipient in order, over those of a group in their order.
    async fn resolve(&mut self, recipients: &[Recipient]) -> Result<(), Failure> {
        let named = recipients.iter().filter_map(|one| one.alias.as_ref());
        let aliases: Vec<&str> = named.map(|alias| alias.as_str()).collect();
        let rows = self.link.query(BY_ALIASES, &[&aliases]).await?;
        let mut found: HashMap<String, Row> = HashMap::new();
        for row in rows {
            found.insert(row.try_get(1)?, row);
        }
        let opted_out = self.opted_out(found.values()).await?;
        for Recipient { sent, alias } in recipients {
            let name = alias.as_ref().map(|alias| alias.as_str());
            let row = name.and_then(|name| found.get(name));
            let full = row.map(contacts::full_contact).transpose()?;
            let id = name.and_then(GroupId::parse);
            let group = match id {
                Some(id) if full.is_none() => groups::find(self.link, id).await?,
                _ => None,
            };
            match group {
                Some(group) => self.resolve_members(&group).await?,
                None => {
                    self.have_room(1)?;
                    self.decide(sent, full, &opted_out)?;
                }
            }
        }
        Ok(())
    }

    /// Of more members than there may be, it reads not one.
    async fn resolve_members(&mut self, group: &Group) -> Result<(), Failure> {
        self.have_room(group.members)?;
        let (group_id, mut last) = (groups::uuid(group.id), uuid::Uuid::nil());
        loop {
            let at_once = i64::try_from(AT_ONCE_MAX).unwrap_or(i64::MAX);
            let values: &Values<'_> = &[&group_id, &last, &at_once];
            let rows = self.link.query(MEMBERS, values).await?;
            let opted_out = self.opted_out(rows.iter()).await?;
            for row in &rows {
                let full = contacts::full_contact(row)?;
                last = uuid(full.contact.id);
                let alias = full.contact.alias.clone();
                self.decide(alias.as_str(), Some(full), &opted_out)?;
            }
            if rows.len() < AT_ONCE_MAX {
                return Ok(());
            }
        }
    }

    fn have_room(&self, recipients: u64) -> Result<(), Error> {
        match recipients > (RECIPIENTS_MAX - self.count) as u64 {
            true => Err(Invalid::Recipients.into()),
            false => Ok(()),
        }
    }

    /// Which of the numbers of contacts are opted out, in any spelling that is stored.
    async fn opted_out(
        &self,
        rows: impl Iterator<Item = &Row>,
    ) -> Result<HashSet<String>, Failure> {
        let mut spellings = Vec::new();
        for row in rows {
            let full = contacts::full_contact(row)?;
            let both = full.contact.msisdn.spellings();
            spellings.extend(both.map(|spelling| spelling.into_owned()));
        }
        let rows = self.link.query(OPTED_OUT, &[&spellings]).await?;
        let found = rows.iter().map(|row| row.try_get(0));
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn decide(
        &mut self,
        sent: &str,
        found: Option<FullContact>,
        opted_out: &HashSet<String>,
    ) -> Result<(), Error> {
        let is_out = found.as_ref().is_some_and(|full| {
            let both = full.contact.msisdn.spellings();
            both.iter()
                .any(|spelling| opted_out.contains(spelling.as_ref()))
        });
        self.count += 1;
        let resolved = self.resolver.decide(found, is_out)?;
        (self.each)(&mut self.collected, sent, &resolved)
    }
}
