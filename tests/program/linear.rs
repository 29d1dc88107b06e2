//! What a parser costs grows with its input and no faster: a request of four times
//! the size takes the server no more than four small ones, whatever it is made of.

use std::fs;

use crate::harness::{PERMISSIONS, Server, agent};

/// Processor time of all threads of a process, in nanoseconds (proc(5), `schedstat`).
fn processor_ns(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_task = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok())
    };
    tasks.filter_map(|task| of_task(task.ok()?)).sum()
}

/// One kind of input: its name, the request that it goes into, the largest size,
/// and what it is made of.
type Shape = (&'static str, Request, usize, fn(usize) -> String);

#[derive(Clone, Copy)]
enum Request {
    Query,
    Path,
    Header(&'static str),
    Json(&'static str, &'static str),
    File(&'static str),
}

const CREATE: Request = Request::Json("POST", "/contacts");
const BULK: Request = Request::Json("POST", "/contacts/bulk");
const RESOLVE: Request = Request::Json("POST", "/addressbook/contacts/resolve");
const OPTOUTS: Request = Request::Json("POST", "/addressbook/optouts/bulk");
const BULK_DELETE: Request = Request::Json("POST", "/contacts/bulk-delete");
const KEYS: Request = Request::Json("POST", "/auth/keys");
const CSV: Request = Request::File("text/csv");
const NDJSON: Request = Request::File("application/x-ndjson");

/// Bytes of the largest head, body, bulk and file that are sent.
const HEAD: usize = 16 * 1024;
const BODY: usize = 60 * 1024;
const LARGE: usize = 1024 * 1024;

fn repeat(piece: &str, bytes: usize) -> String {
    piece.repeat(bytes / piece.len())
}

fn with_alias(text: &str) -> String {
    format!(r#"{{"alias":"{text}","msisdn":"15550000000"}}"#)
}

fn with_msisdn(text: &str) -> String {
    format!(r#"{{"alias":"a","msisdn":"{text}"}}"#)
}

fn with_meta(meta: &str) -> String {
    format!(r#"{{"alias":"a","msisdn":"15550000000","meta":{meta}}}"#)
}

fn numbered(bytes: usize, piece: fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < bytes {
        text += &piece(number);
        number += 1;
    }
    text.pop();
    text
}

const SHAPES: [Shape; 50] = [
    ("parameters", Request::Query, HEAD, |n| repeat("a=1&", n)),
    ("ampersands", Request::Query, HEAD, |n| repeat("&", n)),
    ("escapes in a query", Request::Query, HEAD, |n| {
        "search=".to_owned() + &repeat("%41", n)
    }),
    ("broken escapes", Request::Query, HEAD, |n| {
        "search=".to_owned() + &repeat("%4", n)
    }),
    ("a cursor", Request::Query, HEAD, |n| {
        "cursor=".to_owned() + &repeat("A", n)
    }),
    ("wildcards", Request::Query, HEAD, |n| {
        "search=".to_owned() + &repeat("%25_", n)
    }),
    ("a segment", Request::Path, HEAD, |n| repeat("%41", n)),
    ("slashes", Request::Path, HEAD, |n| repeat("/", n)),
    (
        "forwarded addresses",
        Request::Header("X-Forwarded-For"),
        HEAD,
        |n| repeat("127.0.0.1, ", n),
    ),
    (
        "forwarded commas",
        Request::Header("X-Forwarded-For"),
        HEAD,
        |n| repeat(",", n),
    ),
    ("entity tags", Request::Header("If-None-Match"), HEAD, |n| {
        repeat("\"a\", ", n)
    }),
    ("formats", Request::Header("Accept"), HEAD, |n| {
        repeat("a/b;q=0.1, ", n)
    }),
    ("a token", Request::Header("X-Request-Id"), HEAD, |n| {
        repeat("a", n)
    }),
    (
        "an idempotency key",
        Request::Header("Idempotency-Key"),
        HEAD,
        |n| repeat("a", n),
    ),
    ("white space", CREATE, BODY, |n| repeat(" ", n) + "{}"),
    ("unknown fields", CREATE, BODY, |n| {
        format!("{{{}}}", numbered(n, |number| format!("\"a{number}\":1,")))
    }),
    ("the same field", CREATE, BODY, |n| {
        format!("{{{}\"alias\":1}}", repeat("\"alias\":1,", n))
    }),
    ("brackets", CREATE, BODY, |n| repeat("[", n)),
    ("braces", CREATE, BODY, |n| repeat("{\"a\":", n)),
    ("a long alias", CREATE, BODY, |n| {
        with_alias(&repeat("a", n))
    }),
    ("escapes in an alias", CREATE, BODY, |n| {
        with_alias(&repeat("\\u0041", n))
    }),
    ("surrogates", CREATE, BODY, |n| {
        with_alias(&repeat("\\ud83d\\ude00", n))
    }),
    ("combining marks", CREATE, BODY, |n| {
        with_alias(&repeat("\u{316}\u{301}", n))
    }),
    ("jamo", CREATE, BODY, |n| {
        with_alias(&repeat("\u{1100}\u{1161}\u{11a8}", n))
    }),
    ("spaces around an alias", CREATE, BODY, |n| {
        with_alias(&repeat(" ", n))
    }),
    ("groups of a number", CREATE, BODY, |n| {
        with_msisdn(&repeat("(1) ", n))
    }),
    ("parentheses in a number", CREATE, BODY, |n| {
        with_msisdn(&repeat("(", n))
    }),
    ("what cannot be seen in a number", CREATE, BODY, |n| {
        with_msisdn(&repeat("\u{200b}", n))
    }),
    ("members of meta", CREATE, BODY, |n| {
        with_meta(&format!(
            "{{{}}}",
            numbered(n, |number| format!("\"a{number}\":1,"))
        ))
    }),
    ("the same member", CREATE, BODY, |n| {
        with_meta(&format!("{{{}\"a\":1}}", repeat("\"a\":1,", n)))
    }),
    ("levels of meta", CREATE, BODY, |n| {
        with_meta(&repeat("{\"a\":", n))
    }),
    ("digits", CREATE, BODY, |n| {
        with_meta(&format!("{{\"a\":{}}}", repeat("9", n)))
    }),
    ("an array", CREATE, BODY, |n| {
        with_meta(&format!("{{\"a\":[{}1]}}", repeat("1,", n)))
    }),
    ("contacts that are none", BULK, LARGE / 64, |n| {
        format!("{{\"contacts\":[{}1]}}", repeat("1,", n))
    }),
    ("contacts with unknown fields", BULK, LARGE, |n| {
        let fields = numbered(n, |number| format!("\"a{number}\":1,"));
        format!("{{\"contacts\":[{{{fields}}}]}}")
    }),
    ("contacts of one alias", BULK, LARGE / 4, |n| {
        let piece = r#"{"alias":"a","msisdn":"1"},"#;
        format!("{{\"contacts\":[{}1]}}", repeat(piece, n))
    }),
    ("recipients", RESOLVE, LARGE / 16, |n| {
        format!("{{\"recipients\":[{}1]}}", repeat("1,", n))
    }),
    ("ids", BULK_DELETE, LARGE / 16, |n| {
        format!("{{\"ids\":[{}\"\"]}}", repeat("\"\",", n))
    }),
    ("members of a filter", BULK_DELETE, BODY, |n| {
        let members = numbered(n, |number| format!("\"a{number}\":\"\","));
        format!("{{\"filter\":{{{members}}},\"expect\":0}}")
    }),
    ("numbers", OPTOUTS, LARGE / 16, |n| {
        format!("{{\"msisdns\":[{}1]}}", repeat("1,", n))
    }),
    ("placeholders", RESOLVE, BODY, |n| {
        format!(
            "{{\"recipients\":[\"15550000000\"],\"text\":\"{}\"}}",
            repeat("{{a}}", n)
        )
    }),
    ("braces of a text", RESOLVE, BODY, |n| {
        format!(
            "{{\"recipients\":[\"15550000000\"],\"text\":\"{}\"}}",
            repeat("{", n)
        )
    }),
    ("defaults of placeholders", RESOLVE, BODY, |n| {
        format!(
            "{{\"recipients\":[\"15550000000\"],\"text\":\"{{{{{}}}}}\"}}",
            repeat("|a", n)
        )
    }),
    ("permissions", KEYS, BODY, |n| {
        let named = repeat("\"read:Contacts\",", n);
        format!("{{\"name\":\"a\",\"permissions\":[{named}\"\"]}}")
    }),
    ("columns", CSV, LARGE / 4, |n| {
        numbered(n, |number| format!("a{number},"))
    }),
    ("quotes in a head", CSV, LARGE / 4, |n| {
        "\"".to_owned() + &repeat("\"\"", n)
    }),
    ("line feeds in a head", CSV, LARGE / 4, |n| {
        "\"".to_owned() + &repeat("\n", n)
    }),
    ("quotes in a row", CSV, LARGE / 4, |n| {
        "alias,msisdn\n\"".to_owned() + &repeat("\"\"\n", n)
    }),
    ("empty rows", CSV, LARGE / 4, |n| {
        "alias,msisdn\n".to_owned() + &repeat("\n", n)
    }),
    ("a line of no JSON", NDJSON, LARGE / 4, |n| {
        repeat("{\"a\":", n)
    }),
];

/// Sends one request, whatever it is answered.
fn send(server: &Server, key: &str, agent: &ureq::Agent, request: Request, input: &str) {
    let call = match request {
        Request::Query => server.call("GET", &format!("/contacts?{input}")),
        Request::Path => server.call("GET", &format!("/contacts/{input}")),
        Request::Header(name) => server.call("GET", "/contacts/1").header(name, input),
        Request::Json(method, path) => server.call(method, path).json(input),
        Request::File(kind) => server
            .call("POST", "/contacts/import?dryRun=true")
            .header("Content-Type", kind)
            .body(input),
    };
    // A refusal of a large body may reset its connection.
    let _ = call.key(key).by(agent).try_send();
}

#[test]
fn four_times_the_input_takes_four_times_the_work() {
    const WORK_NS: u64 = 40_000_000;
    let server = Server::start_with(&["--trusted-proxy", "127.0.0.0/8"]);
    let key = server.key(&PERMISSIONS);
    let agent = agent();
    let cost = |request, input: &str, times: u64| {
        loop {
            let before = processor_ns(server.pid());
            for _ in 0..times {
                send(&server, &key, &agent, request, input);
            }
            // A thread that has ended takes what it used with it.
            if let Some(used) = processor_ns(server.pid()).checked_sub(before) {
                return used;
            }
        }
    };
    let mut steep = Vec::new();
    for (name, request, bytes_max, made_of) in SHAPES {
        let (small, large) = (made_of(bytes_max / 4), made_of(bytes_max));
        let once = cost(request, &large, 2) / 2;
        assert!(once > 0, "the system does not say what was used");
        let times = (WORK_NS / once.max(1)).clamp(2, 100);
        let ratios = (0..3).map(|_| {
            let of_large = cost(request, &large, times);
            of_large as f64 / cost(request, &small, 4 * times) as f64
        });
        let ratio = ratios.fold(f64::MAX, f64::min);
        if ratio > 2.0 {
            steep.push((name, ratio));
        }
    }
    assert!(steep.is_empty(), "{steep:?}");
}
