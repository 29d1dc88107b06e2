//! An opt-out: a number that wants no messages, whoever has it; which of them a list
//! shows.

use crate::contact::Msisdn;
use crate::cursor::{self, Mark};
use crate::invalid::Invalid;
use crate::moment::Moment;
use crate::selection::{Listed, Page};

/// A number that is opted out. Belongs to the number, not to a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optout {
    /// Which number.
    pub msisdn: Msisdn,
    /// Since when.
    pub created_on: Moment,
}

/// What came of a number that was to be opted out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptedOut {
    /// The number's record.
    pub optout: Optout,
    /// Whether it was made now.
    pub is_new: bool,
}

/// A whole request for a list of opt-outs, the oldest first, ties by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptoutSelection {
    /// Those that hold for this number; without it, all.
    pub msisdn: Option<Msisdn>,
    /// From where on; a position is that of an opt-out itself.
    pub page: Page<Optout>,
    /// How many at most.
    pub limit: u32,
}

impl OptoutSelection {
    /// What the page shows of `all` that hold for one number, in their order.
    pub fn page_of(&self, all: Vec<Optout>) -> (Vec<Optout>, Listed<Optout>) {
        let total = all.len() as u64;
        let rows = all.into_iter();
        match &self.page {
            Page::Offset(offset) => {
                let skipped = usize::try_from(*offset).unwrap_or(usize::MAX);
                self.cut(rows.skip(skipped).collect(), Some(total))
            }
            Page::After(position) => {
                let place =
                    |optout: &Optout| (optout.created_on, optout.msisdn.as_str().to_owned());
                let position = position.as_ref().map(place);
                let behind = rows.filter(|row| Some(place(row)) > position);
                self.cut(behind.collect(), None)
            }
        }
    }

    /// A page of `rows`, which are one more than the limit where another page follows.
    pub fn cut(&self, mut rows: Vec<Optout>, total: Option<u64>) -> (Vec<Optout>, Listed<Optout>) {
        let limit = self.limit as usize;
        let follows = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| follows).cloned();
        (rows, Listed { total, next })
    }
}

/// Bytes of the time in a cursor.
const TIME_BYTES: usize = 8;

impl Optout {
    /// Writes its position as a cursor for lists of this number, or of all, alone.
    pub fn to_cursor(&self, of: Option<&Msisdn>) -> String {
        let time = self.created_on.millis().to_be_bytes();
        let position = [&time, self.msisdn.as_str().as_bytes()].concat();
        cursor::written(self.mark(of), &position)
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// `CursorUnknown` for anything that [`Optout::to_cursor`] did not write for the
    /// same number.
    pub fn from_cursor(cursor: &str, of: Option<&Msisdn>) -> Result<Self, Invalid> {
        let (mark, position) = cursor::read(cursor).ok_or(Invalid::CursorUnknown)?;
        let (time, digits) = position
            .split_first_chunk::<TIME_BYTES>()
            .ok_or(Invalid::CursorUnknown)?;
        let digits = String::from_utf8(digits.to_vec()).map_err(|_| Invalid::CursorUnknown)?;
        let position = Self {
            msisdn: Msisdn::from_stored(digits),
            created_on: Moment::from_millis(i64::from_be_bytes(*time)),
        };
        if mark != position.mark(of) {
            return Err(Invalid::CursorUnknown);
        }
        Ok(position)
    }

    fn mark(&self, of: Option<&Msisdn>) -> Mark {
        Mark::of(&format!("{self:?}{of:?}"))
    }
}
