//! An API key as it is shown: everything but its secret.

use serde::Serialize;

use crate::address::AddressRanges;
use crate::key::ApiKey;
use crate::moment::Moment;
use crate::permission::PermissionSet;

/// The members of a key, in this order.
#[derive(Serialize)]
pub(crate) struct KeyRecord<'a> {
    id: &'a str,
    name: &'a str,
    permissions: PermissionSet,
    expires_on: Option<Moment>,
    allowed_ips: &'a AddressRanges,
    rate_limit: Option<u32>,
    created_on: Moment,
    created_by: Option<&'a str>,
    last_used_on: Option<Moment>,
    revoked_on: Option<Moment>,
    replaced_by: Option<&'a str>,
}

impl<'a> KeyRecord<'a> {
    pub(crate) fn of(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.as_str(),
            name: key.terms.name.as_str(),
            permissions: key.terms.permissions,
            expires_on: key.terms.expires_on,
            allowed_ips: &key.terms.allowed_ips,
            rate_limit: key.terms.rate_limit,
            created_on: key.created_on,
            created_by: key.created_by.as_ref().map(|id| id.as_str()),
            last_used_on: key.last_used_on,
            revoked_on: key.revoked_on,
            replaced_by: key.replaced_by.as_ref().map(|id| id.as_str()),
        }
    }
}
