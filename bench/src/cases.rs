//! What is measured: operations, and the cases of connections and contacts that
//! each runs in, with issue 6's targets.

use crate::Outcome;
use crate::client::{Client, request};
use crate::seeds::Seed;

/// Contacts of one bulk request, and recipients of one resolve.
pub(crate) const ITEMS: u64 = 1000;

/// Seconds of a run of requests for [`ITEMS`]: at 64 connections, one may take some.
const ITEMS_RUN_S_MIN: u64 = 4;
/// Scatters counters (Knuth's multiplicative hash).
const SPREAD: u64 = 2_654_435_761;

pub(crate) const THOUSAND: u64 = 1000;
pub(crate) const MILLION: u64 = 1_000_000;
pub(crate) const TEN_MILLION: u64 = 10_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Get,
    GetId,
    List10,
    List100,
    Update,
    Bulk,
    Resolve,
}

/// An operation at a number of connections on a book of a number of contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) operation: Operation,
    pub(crate) connections: u32,
    pub(crate) contacts: u64,
}

const fn case(operation: Operation, connections: u32, contacts: u64) -> Case {
    Case {
        operation,
        connections,
        contacts,
    }
}

/// The cases of a run, in the order of a round.
pub(crate) const CASES: [Case; 20] = [
    case(Operation::Create, 64, MILLION),
    case(Operation::Get, 64, MILLION),
    case(Operation::GetId, 64, MILLION),
    case(Operation::List10, 64, MILLION),
    case(Operation::List100, 64, MILLION),
    case(Operation::Update, 64, MILLION),
    case(Operation::Bulk, 64, MILLION),
    case(Operation::Bulk, 8, MILLION),
    case(Operation::Resolve, 64, MILLION),
    case(Operation::Resolve, 4, MILLION),
    case(Operation::Create, 64, THOUSAND),
    case(Operation::Get, 64, THOUSAND),
    case(Operation::Create, 8, MILLION),
    case(Operation::Get, 8, MILLION),
    case(Operation::Create, 8, THOUSAND),
    case(Operation::Get, 8, THOUSAND),
    case(Operation::Create, 1, MILLION),
    case(Operation::Get, 1, MILLION),
    case(Operation::Create, 1, THOUSAND),
    case(Operation::Get, 1, THOUSAND),
];

/// The cases of `--huge`: each on ten million and, beside it, on one.
pub(crate) const HUGE_CASES: [Case; 10] = [
    case(Operation::Create, 64, MILLION),
    case(Operation::Create, 64, TEN_MILLION),
    case(Operation::Get, 64, MILLION),
    case(Operation::Get, 64, TEN_MILLION),
    case(Operation::GetId, 64, MILLION),
    case(Operation::GetId, 64, TEN_MILLION),
    case(Operation::List10, 64, MILLION),
    case(Operation::List10, 64, TEN_MILLION),
    case(Operation::List100, 64, MILLION),
    case(Operation::List100, 64, TEN_MILLION),
];

impl Case {
    /// Its name on the command line and in the tables, such as `create-64-1m`.
    pub(crate) fn name(self) -> String {
        format!(
            "{}-{}-{}",
            self.operation.name(),
            self.connections,
            size_name(self.contacts)
        )
    }

    /// The rate that is asked for, as a ratio to the baseline's.
    pub(crate) fn ratio_target(self) -> Option<f64> {
        match (self.operation, self.connections, self.contacts) {
            (Operation::Create, 64, THOUSAND) => Some(0.45),
            (Operation::Create, 64, MILLION) => Some(0.38),
            (Operation::Get, 64, THOUSAND) => Some(0.80),
            (Operation::Get, 64, MILLION) => Some(0.65),
            (Operation::List10, 64, MILLION) => Some(0.60),
            (Operation::List100, 64, MILLION) => Some(0.40),
            _ => None,
        }
    }

    /// The p99 that is allowed, as a multiple of the baseline's.
    pub(crate) fn p99_target(self) -> Option<f64> {
        match (self.operation, self.connections, self.contacts) {
            (Operation::Create, 64, THOUSAND) => Some(2.5),
            (Operation::Create, 64, MILLION) => Some(4.0),
            _ => None,
        }
    }
}

fn size_name(contacts: u64) -> String {
    match contacts {
        MILLION.. => format!("{}m", contacts / MILLION),
        _ => format!("{}k", contacts / THOUSAND),
    }
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::GetId => "get_id",
            Self::List10 => "list10",
            Self::List100 => "list100",
            Self::Update => "update",
            Self::Bulk => "bulk",
            Self::Resolve => "resolve",
        }
    }

    pub(crate) fn writes(self) -> bool {
        match self {
            Self::Create | Self::Update | Self::Bulk => true,
            Self::Get | Self::GetId | Self::List10 | Self::List100 | Self::Resolve => false,
        }
    }

    /// Contacts that one request brings into the book.
    pub(crate) fn creates(self) -> u64 {
        match self {
            Self::Create => 1,
            Self::Bulk => ITEMS,
            Self::Get
            | Self::GetId
            | Self::List10
            | Self::List100
            | Self::Update
            | Self::Resolve => 0,
        }
    }

    /// Contacts that one request is about, where they are many.
    pub(crate) fn items(self) -> Option<u64> {
        matches!(self, Self::Bulk | Self::Resolve).then_some(ITEMS)
    }

    /// How long a server runs where a run of one contact takes `seconds`.
    pub(crate) fn seconds(self, seconds: u64) -> u64 {
        match self.items() {
            Some(_) => seconds.max(ITEMS_RUN_S_MIN),
            None => seconds,
        }
    }

    /// The path, up to the sample where one follows.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Create => "/addressbook/contacts",
            Self::Get => "/addressbook/contacts/alias/",
            Self::GetId | Self::Update => "/addressbook/contacts/",
            Self::List10 => "/addressbook/contacts?limit=10",
            Self::List100 => "/addressbook/contacts?limit=100",
            Self::Bulk => "/addressbook/contacts/bulk",
            Self::Resolve => "/addressbook/contacts/resolve",
        }
    }

    /// The baseline's path for answers of as many bytes.
    pub(crate) fn baseline_path(self, answer_bytes: usize) -> String {
        match self.items() {
            Some(_) => format!("/any/{answer_bytes}"),
            None => format!("/bytes/{answer_bytes}"),
        }
    }

    /// One request as the generator sends it; its alias begins with `nonce`.
    pub(crate) fn probe(self, seed: &Seed, nonce: &str) -> Outcome<Vec<u8>> {
        let sample = match self {
            Self::Get => seed.aliases()?.swap_remove(0),
            Self::GetId | Self::Update => {
                let ids = std::fs::read_to_string(&seed.ids)?;
                ids.lines().next().ok_or("no samples")?.to_owned()
            }
            Self::Create | Self::List10 | Self::List100 | Self::Bulk | Self::Resolve => {
                String::new()
            }
        };
        let body = self.probe_body(seed, nonce)?;
        let method = if body.is_some() { "POST" } else { "GET" };
        let path = format!("{}{sample}", self.path());
        Ok(request(method, &path, &seed.token, body.as_deref()))
    }

    fn probe_body(self, seed: &Seed, nonce: &str) -> Outcome<Option<String>> {
        Ok(match self {
            Self::Create => Some(contact(nonce, 0)),
            Self::Get | Self::GetId | Self::List10 | Self::List100 => None,
            Self::Update => Some(
                r#"{"msisdn":"447800000000","meta":{"NAME":"Name 00000000","CITY":"Paris"}}"#
                    .to_owned(),
            ),
            Self::Bulk => {
                let contacts: Vec<String> = (0..ITEMS).map(|item| contact(nonce, item)).collect();
                let contacts = contacts.join(",");
                Some(format!(r#"{{"mode":"create","contacts":[{contacts}]}}"#))
            }
            Self::Resolve => {
                let recipients: Vec<String> = seed.aliases()?;
                let step = recipients.len() / usize::try_from(ITEMS)?;
                let recipients: Vec<&str> = recipients
                    .iter()
                    .step_by(step)
                    .take(usize::try_from(ITEMS)?)
                    .map(String::as_str)
                    .collect();
                let recipients = recipients.join(r#"",""#);
                let text = "Hello {{NAME}} from {{CITY}}";
                Some(format!(
                    r#"{{"recipients":["{recipients}"],"text":"{text}"}}"#
                ))
            }
        })
    }
}

/// The body of a create, as long as the generator's.
pub(crate) fn contact(nonce: &str, number: u64) -> String {
    let [alias, msisdn, meta] = fields(nonce, number);
    format!(r#"{{"alias":"{alias}","msisdn":"{msisdn}","meta":{meta}}}"#)
}

/// The alias, msisdn and meta of a numbered contact; aliases and numbers are
/// spread over the book.
pub(crate) fn fields(nonce: &str, number: u64) -> [String; 3] {
    let spread = number.wrapping_mul(SPREAD) % (1 << 32);
    let msisdn = number.wrapping_mul(7919) % 100_000_000;
    [
        format!("user-{spread:08x}-{nonce}-0-{number:08}"),
        format!("4479{msisdn:08}"),
        format!(r#"{{"NAME":"Name {number:08}","CITY":"London"}}"#),
    ]
}

/// How many contacts a book has, as its server says.
pub(crate) fn total(client: &mut Client, token: &str) -> Outcome<u64> {
    let list = request("GET", "/addressbook/contacts?limit=1", token, None);
    let answer: serde_json::Value = serde_json::from_slice(client.succeed(&list)?)?;
    Ok(answer["total"].as_u64().ok_or("a list without a total")?)
}
