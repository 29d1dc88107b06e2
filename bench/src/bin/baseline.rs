//! The baseline: a bare actix server that reads the same bodies and answers as
//! many bytes as the product. It knows no key, no contact and no store.

use std::io::{self, Write};
use std::net::TcpListener;

use actix_web::http::KeepAlive;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use clap::Parser;
use serde::Deserialize;
use serde_json::Value;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of a body of any shape, as the product takes of bulk requests.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What every answer begins with: a JSON string is open until its last two bytes.
const ANSWER_BEGIN: &[u8] = b"{\"answer\":\"";
const ANSWER_END: &[u8] = b"\"}";

/// The flags.
#[derive(Parser)]
struct Flags {
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Threads that answer.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

/// The body of a create or an update, parsed as any handler would.
#[derive(Deserialize)]
struct Contact {
    alias: Option<String>,
    msisdn: Option<String>,
    meta: Option<Value>,
}

/// An answer's bytes, the last length asked for kept ready by each worker.
struct Answers {
    ready: std::cell::RefCell<(usize, Bytes)>,
}

impl Answers {
    fn new() -> Self {
        Self {
            ready: std::cell::RefCell::new((0, Bytes::new())),
        }
    }

    fn of(&self, bytes: usize) -> HttpResponse {
        if bytes > ANSWER_BYTES_MAX {
            return HttpResponse::PayloadTooLarge().finish();
        }
        let mut ready = self.ready.borrow_mut();
        if ready.0 != bytes {
            *ready = (bytes, fill(bytes));
        }
        HttpResponse::Ok()
            .content_type("application/json")
            .body(ready.1.clone())
    }
}

/// A JSON object of exactly `bytes` bytes, or as few as one has.
fn fill(bytes: usize) -> Bytes {
    let padding = bytes.saturating_sub(ANSWER_BEGIN.len() + ANSWER_END.len());
    let mut answer = ANSWER_BEGIN.to_vec();
    answer.resize(ANSWER_BEGIN.len() + padding, b'x');
    answer.extend_from_slice(ANSWER_END);
    answer.into()
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"success":true}"#)
}

async fn get(bytes: web::Path<usize>, answers: web::Data<Answers>) -> HttpResponse {
    answers.of(*bytes)
}

async fn write(
    bytes: web::Path<usize>,
    contact: web::Json<Contact>,
    answers: web::Data<Answers>,
) -> HttpResponse {
    let contact = contact.into_inner();
    // Used, so that no optimiser leaves a field out.
    let sent = (&contact.alias, &contact.msisdn, &contact.meta);
    std::hint::black_box(sent);
    answers.of(*bytes)
}

async fn any(
    bytes: web::Path<usize>,
    body: web::Json<Value>,
    answers: web::Data<Answers>,
) -> HttpResponse {
    std::hint::black_box(&*body);
    answers.of(*bytes)
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let listener = TcpListener::bind(("127.0.0.1", flags.port))?;
    let address = listener.local_addr()?;
    let server = HttpServer::new(|| {
        App::new()
            .app_data(web::Data::new(Answers::new()))
            .service(web::resource("/healthz").get(healthz))
            .service(
                web::resource("/bytes/{bytes}")
                    .get(get)
                    .post(write)
                    .put(write)
                    .patch(write),
            )
            .service(
                web::resource("/any/{bytes}")
                    .app_data(web::JsonConfig::default().limit(BODY_BYTES_MAX))
                    .post(any),
            )
    })
    .workers(flags.workers)
    .keep_alive(KeepAlive::Os)
    .listen(listener)?
    .run();
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    drop(out);
    server.await
}
