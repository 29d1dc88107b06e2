//! The calls about API keys.

use actix_web::HttpResponse;
use serde::Serialize;

use super::auth::{Allowed, AnyKey};
use super::envelope::{self, Refusal};
use crate::key::ApiKey;
use crate::moment::Moment;
use crate::permission::PermissionSet;

/// Tells a client which key it holds.
pub(super) async fn test(allowed: Allowed<AnyKey>) -> Result<HttpResponse, Refusal> {
    let key = allowed.store().own_key(allowed.grant())?;
    Ok(envelope::one(OwnKeyRecord::of(&key)))
}

#[derive(Serialize)]
struct OwnKeyRecord<'a> {
    id: &'a str,
    name: &'a str,
    permissions: PermissionSet,
    expires_on: Option<Moment>,
}

impl<'a> OwnKeyRecord<'a> {
    fn of(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.as_str(),
            name: key.name.as_str(),
            permissions: key.permissions,
            expires_on: key.expires_on,
        }
    }
}
