//! An opt-out: a number that wants no messages, whoever has it.

use crate::contact::Msisdn;
use crate::moment::Moment;

/// A number that is opted out. Belongs to the number, not to a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optout {
    /// Which number.
    pub msisdn: Msisdn,
    /// Since when.
    pub created_on: Moment,
}
