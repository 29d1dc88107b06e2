//! The server on PostgreSQL, beside plain statements on the same one in the same round.

use std::fmt::Write as _;
use std::path::Path;

use crate::Outcome;
use crate::bench::{Bench, server_command};
use crate::cases::{ITEMS, Operation};
use crate::cluster::Cluster;
use crate::process::Running;
use crate::report::{Section, Target};
use crate::seeds::Seed;
use crate::stats::{median, spread};
use crate::wrk::{Order, finish};

const CONTACTS: u64 = 100_000;
const CONNECTIONS: u32 = 64;
/// Seconds before the figures count: keys are verified, statements prepared.
const WARM_S: u64 = 1;
/// Rows of one plain statement that stores many.
const BULK_ROWS: u64 = 500;
/// What is wanted, as a ratio to the plain statements.
const CREATES_WANTED: f64 = 1.2;
const GETS_WANTED: f64 = 0.5;
const BULK_WANTED: f64 = 0.7;
/// What two servers are to do of what one does.
const TWO_SERVERS_WANTED: f64 = 0.9;

const INSERT: &str = r#"\set n random(0, 99999999)
INSERT INTO plain.contacts (id, alias, msisdn, meta, updated_on)
VALUES (gen_random_uuid(), 'user-' || gen_random_uuid(), (447900000000 + :n)::text,
    '{"NAME":"Name 00000001","CITY":"London"}', 1790000000000)
ON CONFLICT (alias) DO NOTHING;
"#;
const INSERT_MANY: &str = r#"
INSERT INTO plain.contacts (id, alias, msisdn, meta, updated_on)
SELECT gen_random_uuid(), alias, msisdn, meta::json, 1790000000000
FROM unnest((SELECT array_agg('user-' || gen_random_uuid()) FROM generate_series(1, ROWS)),
    array_fill('447900000000'::text, ARRAY[ROWS]),
    array_fill('{"NAME":"Name 00000001","CITY":"London"}'::text, ARRAY[ROWS]))
    AS new (alias, msisdn, meta)
ON CONFLICT (alias) DO NOTHING;
"#;
const SELECT: &str = r"\set n random(1, CONTACTS)
SELECT id, alias, msisdn, meta::text, updated_on FROM plain.contacts WHERE alias = 'seed-' || :n;
";

/// Rates of one round: rows a second of bulk, else requests or statements.
struct Round {
    creates: Beside,
    gets: Beside,
    bulk: Beside,
    /// Of two servers, beside one.
    two_create: Beside,
    two_get: Beside,
}

/// A rate, and the mean of what was measured before and after it.
struct Beside {
    rate: f64,
    plain: f64,
}

impl Beside {
    fn ratio(&self) -> f64 {
        self.rate / self.plain
    }
}

/// What every round has.
struct Place {
    cluster: Cluster,
    seed: Seed,
}

pub(crate) fn run(bench: &mut Bench) -> Outcome<Section> {
    let title = "PostgreSQL".to_owned();
    let Some(cluster) = Cluster::start(bench.work())? else {
        let text = "Skipped: needs the package postgresql.".to_owned();
        return Ok(Section {
            title,
            text,
            targets: Vec::new(),
        });
    };
    let program = bench.servers[0].clone();
    let aliases = bench.work().join("postgres.aliases");
    let names: String = (1..=CONTACTS)
        .step_by(10)
        .map(|n| format!("seed-{n}\n"))
        .collect();
    std::fs::write(&aliases, names)?;
    let seed = Seed::at_url(&program, &cluster.url(), &aliases)?;
    cluster.fill(CONTACTS)?;
    let place = Place { cluster, seed };
    let mut rounds = Vec::new();
    for round in 1..=bench.rounds {
        rounds.push(once(bench, &place, round)?);
    }
    let mut text = format!(
        "Beside plain `pgbench` statements, prepared, on the same PostgreSQL and a table of the same \
        columns, indexes and checks; {CONNECTIONS} connections, {CONTACTS} contacts to begin with. Server, \
        generator and PostgreSQL share the processors. A bulk request has {ITEMS} contacts, a plain statement \
        {BULK_ROWS}. Two servers are beside one.\n\n\
        | | a second | plain, or one server | ratio (least–most) |\n|---|---|---|---|\n"
    );
    let mut targets = Vec::new();
    for (what, wanted, of) in PARTS {
        let ratios = || rounds.iter().map(|round| of(round).ratio());
        let (least, most) = spread(ratios());
        writeln!(
            text,
            "| {what} | {:.0} | {:.0} | {:.2} ({least:.2}–{most:.2}) |",
            median(rounds.iter().map(|round| of(round).rate)),
            median(rounds.iter().map(|round| of(round).plain)),
            median(ratios()),
        )?;
        let what = format!("PostgreSQL: {what}");
        targets.push(Target::at_least(what, median(ratios()), wanted));
    }
    Ok(Section {
        title,
        text,
        targets,
    })
}

/// What it is called, what is wanted of it, and where its figures are.
type Part = (&'static str, f64, fn(&Round) -> &Beside);

const PARTS: [Part; 5] = [
    ("creates, to one-row inserts", CREATES_WANTED, |round| {
        &round.creates
    }),
    ("gets by alias, to selects", GETS_WANTED, |round| {
        &round.gets
    }),
    (
        "rows of bulk, to rows of inserts by `unnest`",
        BULK_WANTED,
        |round| &round.bulk,
    ),
    (
        "creates of two servers, to one",
        TWO_SERVERS_WANTED,
        |round| &round.two_create,
    ),
    ("gets of two servers, to one", TWO_SERVERS_WANTED, |round| {
        &round.two_get
    }),
];

fn once(bench: &mut Bench, place: &Place, round: u32) -> Outcome<Round> {
    let program = bench.servers[0].clone();
    let url = place.cluster.url();
    let start = |number: u32| {
        let log = bench.work().join(format!("postgres-{number}.log"));
        Running::start(&mut server_command(&program, Path::new(&url)), &log)
    };
    let servers = [start(1)?, start(2)?];
    for server in servers.chunks(1) {
        load(bench, place, server, Operation::Get, WARM_S)?;
        load(bench, place, server, Operation::Create, WARM_S)?;
    }
    let many = INSERT_MANY.replace("ROWS", &BULK_ROWS.to_string());
    let select = SELECT.replace("CONTACTS", &CONTACTS.to_string());
    let mut beside_plain = |script: &str, rows, operation, items| {
        let half = bench.seconds.div_ceil(2);
        let before = place.cluster.pgbench(script, CONNECTIONS, half)?;
        let rate = load(bench, place, &servers[..1], operation, bench.seconds)?;
        let after = place.cluster.pgbench(script, CONNECTIONS, half)?;
        Ok::<_, crate::Failure>(Beside {
            rate: rate * items as f64,
            plain: f64::midpoint(before, after) * rows as f64,
        })
    };
    let creates = beside_plain(INSERT, 1, Operation::Create, 1)?;
    let gets = beside_plain(&select, 1, Operation::Get, 1)?;
    let bulk = beside_plain(&many, BULK_ROWS, Operation::Bulk, ITEMS)?;
    let mut beside_one = |operation| {
        let half = bench.seconds.div_ceil(2);
        let before = load(bench, place, &servers[..1], operation, half)?;
        let rate = load(bench, place, &servers, operation, bench.seconds)?;
        let after = load(bench, place, &servers[..1], operation, half)?;
        Ok::<_, crate::Failure>(Beside {
            rate,
            plain: f64::midpoint(before, after),
        })
    };
    let measured = Round {
        creates,
        gets,
        bulk,
        two_create: beside_one(Operation::Create)?,
        two_get: beside_one(Operation::Get)?,
    };
    for (what, _, of) in PARTS {
        let Beside { rate, plain } = of(&measured);
        let ratio = of(&measured).ratio();
        eprintln!("round {round}  PostgreSQL: {what}: {rate:.0} to {plain:.0}: {ratio:.2}");
    }
    Ok(measured)
}

/// Requests a second of all servers together, which share the connections.
fn load(
    bench: &mut Bench,
    place: &Place,
    servers: &[Running],
    operation: Operation,
    seconds: u64,
) -> Outcome<f64> {
    let mut running = Vec::new();
    for server in servers {
        let nonce = bench.nonce();
        running.push(bench.scripts.start(&Order {
            address: server.address,
            operation,
            connections: CONNECTIONS / u32::try_from(servers.len())?,
            seconds,
            baseline_path: None,
            seed: &place.seed,
            nonce: &nonce,
        })?);
    }
    // Where so many rows come at once, some are refused by design.
    let refusable = operation == Operation::Bulk;
    let loads = running.into_iter().map(|child| finish(child, refusable));
    loads.map(|load| Ok(load?.rate)).sum()
}
