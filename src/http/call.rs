//! One call of the API, and where those of contacts stand.

use crate::permission::Permission;

/// What every path of contacts begins with, and what it is served under as well:
/// the documented page is headed by the one, its curl calls the other.
pub(crate) const CONTACTS: &str = "/addressbook/contacts";
pub(crate) const CONTACTS_SHORT: &str = "/contacts";

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The method; GET answers HEAD as well.
    pub method: &'static str,
    /// The path, with names in braces where a segment names something.
    pub path: &'static str,
    /// What a key needs, in the order of the checks; `None` needs no key.
    pub permissions: Option<&'static [Permission]>,
}
