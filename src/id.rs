//! What the ids of contacts and of groups have in common: UUIDs of version 7
//! (RFC 9562), whose first 48 bits are the millisecond of creation.

use uuid::Uuid;

use crate::moment::Moment;

/// Reads the written form, 36 characters with hyphens, in any case.
pub fn parse(text: &str) -> Option<Uuid> {
    const WRITTEN_CHARACTERS: usize = 36;
    let uuid = Uuid::try_parse(text).ok()?;
    (text.len() == WRITTEN_CHARACTERS).then_some(uuid)
}

/// The millisecond inside an id.
pub fn created_on(id: Uuid) -> Moment {
    let millis = id.as_u128() >> 80;
    Moment::from_millis(i64::try_from(millis).expect("48 bits fit"))
}
