//! Which contacts a list shows, in which order, and from where on. Knows no
//! HTTP and no SQL.

use uuid::Uuid;

use crate::contact::{Alias, ContactId, ContactKey, ContactView, Msisdn};
use crate::cursor::{self, Mark};
use crate::group::GroupId;
use crate::invalid::Invalid;

/// By what a list is sorted; ties by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortField {
    /// The millisecond inside the id, so: by id.
    CreatedOn,
    /// Code point by code point.
    Alias,
    /// Digit by digit, as text.
    Msisdn,
}

/// A list's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub field: SortField,
    /// From the last to the first.
    pub descending: bool,
}

/// What every contact of a list has; all of it holds at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// The alias is this.
    Alias(Alias),
    /// The number is this.
    Msisdn(Msisdn),
    /// The alias begins with these characters, exactly.
    AliasPrefix(String),
    /// The alias holds these characters, ASCII letters in any case, or the number its
    /// digits.
    Search(String),
    /// It is in this group.
    Group(GroupId),
    /// Its number is opted out, in whatever spelling, or is not.
    OptedOut(bool),
    /// Meta has a member of this name with this value: a string exactly, a
    /// number as a number, `true`, `false` and `null` by word.
    Meta {
        /// The member's name at the top.
        name: String,
        /// The value as the query writes it.
        value: String,
    },
}

impl Filter {
    /// The contact that it names, where it names one by itself.
    pub fn names(&self) -> Option<ContactKey> {
        match self {
            Self::Alias(alias) => Some(ContactKey::Alias(alias.clone())),
            Self::Msisdn(msisdn) => Some(ContactKey::Msisdn(msisdn.clone())),
            Self::AliasPrefix(_)
            | Self::Search(_)
            | Self::Group(_)
            | Self::OptedOut(_)
            | Self::Meta { .. } => None,
        }
    }
}

/// Which part of what is selected is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page<P = Position> {
    /// Skip this many; answered with the total of all.
    Offset(u64),
    /// Begin behind this position, or at the beginning.
    After(Option<P>),
}

/// A whole list request.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// All of these hold.
    pub filters: Vec<Filter>,
    /// In which order.
    pub sort: Sort,
    /// From where on.
    pub page: Page,
    /// How many at most.
    pub limit: u32,
    /// Whether the metas are wanted, too.
    pub with_meta: bool,
}

impl Selection {
    /// Every contact that all of `filters` match, for what is no list.
    pub fn every(filters: Vec<Filter>) -> Self {
        Self {
            filters,
            sort: Sort {
                field: SortField::CreatedOn,
                descending: false,
            },
            page: Page::After(None),
            limit: u32::MAX,
            with_meta: false,
        }
    }
}

/// What else there is to say of a list.
#[derive(Debug)]
pub struct Listed<P = Position> {
    /// How many there are in all, where the page is an offset.
    pub total: Option<u64>,
    /// Where the following page begins, where there is one.
    pub next: Option<P>,
}

impl Listed {
    /// Of a list that has nothing.
    pub fn nothing(page: &Page) -> Self {
        let total = match page {
            Page::Offset(_) => Some(0),
            Page::After(_) => None,
        };
        Self { total, next: None }
    }
}

/// Where in a sorted list a contact stands: its sort key and its id. Stays
/// where it is when others, or the contact itself, are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The alias or number; empty where the list is sorted by creation.
    pub key: String,
    /// Breaks ties.
    pub id: ContactId,
}

const ID_BYTES: usize = 16;

impl Position {
    /// The position of `contact` in a list of this sort.
    pub fn of(contact: &ContactView<'_>, sort: Sort) -> Self {
        let key = match sort.field {
            SortField::CreatedOn => "",
            SortField::Alias => contact.alias,
            SortField::Msisdn => contact.msisdn,
        };
        Self {
            key: key.to_owned(),
            id: contact.id,
        }
    }

    /// Writes the position as a cursor for lists of these filters and this sort
    /// alone: its id and its key.
    pub fn to_cursor(&self, filters: &[Filter], sort: Sort) -> String {
        let position = [self.id.as_bytes(), self.key.as_bytes()].concat();
        cursor::written(self.mark(filters, sort), &position)
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// `CursorUnknown` for anything that [`Position::to_cursor`] did not write
    /// for the same filters and sort.
    pub fn from_cursor(cursor: &str, filters: &[Filter], sort: Sort) -> Result<Self, Invalid> {
        let (mark, position) = cursor::read(cursor).ok_or(Invalid::CursorUnknown)?;
        let (id, key) = position
            .split_first_chunk::<ID_BYTES>()
            .ok_or(Invalid::CursorUnknown)?;
        let key = String::from_utf8(key.to_vec()).map_err(|_| Invalid::CursorUnknown)?;
        let id = ContactId::from_uuid(Uuid::from_bytes(*id));
        let position = Self { key, id };
        if mark != position.mark(filters, sort) {
            return Err(Invalid::CursorUnknown);
        }
        Ok(position)
    }

    /// Differs for every position, every set of filters and every sort; the
    /// order of filters does not matter.
    fn mark(&self, filters: &[Filter], sort: Sort) -> Mark {
        let mut written: Vec<String> = filters.iter().map(|filter| format!("{filter:?}")).collect();
        written.sort();
        Mark::of(&format!("{self:?}{sort:?}{written:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BY_ALIAS: Sort = Sort {
        field: SortField::Alias,
        descending: false,
    };

    proptest! {
        #[test]
        fn a_cursor_is_read_back_by_its_own_list_alone(key in "\\PC{0,20}", id in any::<u128>()) {
            let position = Position { key, id: ContactId::from_uuid(Uuid::from_u128(id)) };
            let filters = [Filter::Search("x".into()), Filter::AliasPrefix("y".into())];
            let swapped = [filters[1].clone(), filters[0].clone()];
            let cursor = position.to_cursor(&filters, BY_ALIAS);
            prop_assert_eq!(Position::from_cursor(&cursor, &swapped, BY_ALIAS), Ok(position));
            let unknown = Err(Invalid::CursorUnknown);
            prop_assert_eq!(Position::from_cursor(&cursor, &filters[..1], BY_ALIAS), unknown.clone());
            let other = Sort { descending: true, ..BY_ALIAS };
            prop_assert_eq!(Position::from_cursor(&cursor, &filters, other), unknown);
        }

        #[test]
        fn no_text_breaks_the_reading_of_cursors(text in "\\PC{0,60}|[A-Za-z0-9_-]{0,60}") {
            prop_assert_eq!(Position::from_cursor(&text, &[], BY_ALIAS), Err(Invalid::CursorUnknown));
        }
    }
}
