//! What a sender needs of its recipients in one call.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::value::RawValue;

use super::contacts::raw;
use super::gate::auth::{Allowed, ReadContacts};
use super::gate::observe::Repeatable;
use super::wire::body::JsonBody;
use super::wire::envelope::{self, Refusal};
use crate::contact::{Alias, FullContact};
use crate::error::Error;
use crate::fields::present;
use crate::invalid::Invalid;
use crate::json::decode_string;
use crate::resolve::{ANSWER_BYTES_MAX, RECIPIENTS_MAX, Recipient, Resolved};
use crate::template::Template;

/// Bytes of a body with many recipients.
const RESOLVE_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

type ResolveBody = JsonBody<RESOLVE_BODY_BYTES_MAX>;

pub(super) async fn resolve(
    allowed: Allowed<ReadContacts>,
    body: ResolveBody,
) -> Result<HttpResponse, Refusal> {
    let permit = body.permit();
    let (recipients, template) = permit.run(move || parse(&body)).await?;
    let store = allowed.store();
    let resolved = store.resolve(allowed.grant(), recipients, template).await?;
    let answer = permit.run(move || Ok(write(&resolved))).await??;
    let mut answer = envelope::written(answer);
    answer.extensions_mut().insert(Repeatable);
    Ok(answer)
}

fn parse(body: &ResolveBody) -> Result<(Vec<Recipient>, Option<Template>), Invalid> {
    let [recipients, text] = body.fields(["recipients", "text"])?;
    let recipients = recipients.ok_or(Invalid::Recipients)?;
    let recipients: Vec<String> =
        serde_json::from_str(recipients.get()).map_err(|_| Invalid::Recipients)?;
    if !(1..=RECIPIENTS_MAX).contains(&recipients.len()) {
        return Err(Invalid::Recipients);
    }
    let recipients = recipients.into_iter().map(|sent| Recipient {
        alias: Alias::parse(&sent).ok(),
        sent,
    });
    Ok((
        recipients.collect(),
        present(text).map(parse_text).transpose()?,
    ))
}

fn parse_text(value: &RawValue) -> Result<Template, Invalid> {
    let text = decode_string(value).and_then(Result::ok);
    Template::parse(&text.ok_or(Invalid::Text)?)
}

fn write(resolved: &[(String, Resolved)]) -> Result<Vec<u8>, Error> {
    let results = resolved
        .iter()
        .map(|(recipient, resolved)| WrittenResult::of(recipient, resolved))
        .collect::<Result<Vec<_>, Error>>()?;
    let recipients = resolved.iter().filter_map(|(_, resolved)| match resolved {
        Resolved::Sendable(full, text) => Some(WrittenRecipient {
            alias: full.contact.alias.as_str(),
            msisdn: full.contact.msisdn.as_str(),
            text: text.as_ref().map(|text| text.text.as_str()),
        }),
        Resolved::NotFound | Resolved::OptedOut(_) | Resolved::Duplicate(_) => None,
    });
    let answer = serde_json::to_vec(&Answer {
        success: true,
        results,
        recipients: recipients.collect(),
    });
    let answer = answer.map_err(|_| Error::Internal)?;
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(Invalid::AnswerTooLarge.into());
    }
    Ok(answer)
}

#[derive(Serialize)]
struct Answer<'a> {
    success: bool,
    results: Vec<WrittenResult<'a>>,
    recipients: Vec<WrittenRecipient<'a>>,
}

#[derive(Serialize)]
struct WrittenResult<'a> {
    recipient: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    msisdn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a [String]>,
}

#[derive(Serialize)]
struct WrittenRecipient<'a> {
    alias: &'a str,
    msisdn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl<'a> WrittenResult<'a> {
    fn of(recipient: &'a str, resolved: &'a Resolved) -> Result<Self, Error> {
        let (status, full, text): (_, Option<&FullContact>, _) = match resolved {
            Resolved::NotFound => ("not_found", None, None),
            Resolved::OptedOut(full) => ("opted_out", Some(full), None),
            Resolved::Duplicate(full) => ("duplicate", Some(full), None),
            Resolved::Sendable(full, text) => ("ok", Some(full), text.as_ref()),
        };
        Ok(Self {
            recipient,
            status,
            msisdn: full.map(|full| full.contact.msisdn.as_str()),
            meta: full.map(|full| raw(&full.meta)).transpose()?,
            text: text.map(|text| text.text.as_str()),
            missing: text
                .map(|text| text.missing.as_slice())
                .filter(|missing| !missing.is_empty()),
        })
    }
}
