//! What the store does with contacts.

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::failure::{self, Failure};
use crate::contact::{Contact, ContactId, NewContact};
use crate::error::Error;

const INSERT: &str = "INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
    VALUES (?1, ?2, ?3, ?4, ?5)";

/// Inserts a contact under a new id. Ids are made here, on the one thread that
/// writes, so that their order is the order of the commits.
pub(super) fn insert(transaction: &Connection, contact: NewContact) -> Result<Contact, Failure> {
    let mut id = ContactId::from_uuid(Uuid::now_v7());
    let mut inserted = insert_as(transaction, id, &contact);
    if matches!(&inserted, Err(error) if failure::code(error) == failure::PRIMARY_KEY) {
        id = ContactId::from_uuid(Uuid::now_v7());
        inserted = insert_as(transaction, id, &contact);
    }
    match inserted {
        Ok(()) => Ok(Contact {
            id,
            alias: contact.alias,
            msisdn: contact.msisdn,
        }),
        Err(error) if failure::code(&error) == failure::UNIQUE => Err(Error::AliasTaken.into()),
        Err(error) => Err(error.into()),
    }
}

fn insert_as(
    transaction: &Connection,
    id: ContactId,
    contact: &NewContact,
) -> Result<(), rusqlite::Error> {
    let mut statement = transaction.prepare_cached(INSERT)?;
    statement.execute(params![
        id.as_bytes(),
        contact.alias.as_str(),
        contact.msisdn.as_str(),
        contact.meta.as_json(),
        id.created_on().millis(),
    ])?;
    Ok(())
}
