//! A contact as JSON, written by hand: a list holds hundreds, and all that
//! serde could do better here is not needed. Digits, dates and ids hold nothing
//! to escape, and a meta is kept as the JSON that it is.

use serde::Serialize;

use super::counted::CountedJson;
use crate::contact::{ContactView, FullContact};
use crate::group::Membership;

/// Writes the record of create, update and list: exactly `id, alias, msisdn,
/// created_on`, in this order; `meta` only where the list asks for it.
pub(crate) fn write_contact(json: &mut Vec<u8>, contact: &ContactView<'_>) {
    write_members(json, contact);
    json.push(b'}');
}

/// Writes the record of get-one; groups only for who may read them.
pub(crate) fn write_full_contact(json: &mut Vec<u8>, full: &FullContact, with_groups: bool) {
    let contact = ContactView {
        meta: Some(full.meta.as_json()),
        ..full.contact.view()
    };
    write_members(json, &contact);
    json.extend_from_slice(b",\"updated_on\":\"");
    json.extend_from_slice(full.updated_on.to_text().as_bytes());
    json.extend_from_slice(b"\"");
    if with_groups {
        write_groups(json, full);
    }
    json.push(b'}');
}

fn write_groups(json: &mut Vec<u8>, full: &FullContact) {
    json.extend_from_slice(b",\"groups\":[");
    for Membership { group, name } in &full.groups {
        separate(json);
        json.extend_from_slice(b"{\"id\":");
        write_json(json, group);
        json.extend_from_slice(b",\"name\":");
        write_json(json, name.as_str());
        json.push(b'}');
    }
    json.push(b']');
}

/// Writes a contact as the next one of a list.
pub(crate) fn write_next_contact(json: &mut CountedJson, contact: &ContactView<'_>) {
    json.append(|json| {
        separate(json);
        write_contact(json, contact);
    });
}

/// Writes a contact as the next member of a group, `id, alias`: numbers need
/// the permission to read contacts.
pub(crate) fn write_next_member(json: &mut CountedJson, contact: &ContactView<'_>) {
    json.append(|json| {
        separate(json);
        write_name(json, contact);
        json.push(b'}');
    });
}

fn separate(json: &mut Vec<u8>) {
    if !json.ends_with(b"[") {
        json.push(b',');
    }
}

fn write_name(json: &mut Vec<u8>, contact: &ContactView<'_>) {
    json.extend_from_slice(b"{\"id\":\"");
    json.extend_from_slice(contact.id.to_text().as_bytes());
    json.extend_from_slice(b"\",\"alias\":");
    write_text(json, contact.alias);
}

/// Writes a text, which seldom has anything to escape (RFC 8259, section 7). It looks at
/// every byte, so that it looks at many at once.
fn write_text(json: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: u8| (byte >= b' ') & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    } else {
        write_json(json, text);
    }
}

fn write_json(json: &mut Vec<u8>, value: impl Serialize) {
    serde_json::to_writer(json, &value).expect("texts and ids are JSON");
}

fn write_members(json: &mut Vec<u8>, contact: &ContactView<'_>) {
    write_name(json, contact);
    json.extend_from_slice(b",\"msisdn\":\"");
    json.extend_from_slice(contact.msisdn.as_bytes());
    json.extend_from_slice(b"\",\"created_on\":\"");
    json.extend_from_slice(contact.id.created_on().to_text().as_bytes());
    json.push(b'"');
    if let Some(meta) = contact.meta {
        json.extend_from_slice(b",\"meta\":");
        json.extend_from_slice(meta.as_bytes());
    }
}
