//! A switchover and a failover by Patroni under load: the primary becomes a standby, and
//! then the node of the new one is gone at once. What clients of two servers were told
//! before, meanwhile and afterwards is held against what is there. `.ci/cluster` starts the nodes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{FOR_CONTACTS, Nodes, Reply, Server, agent, program, until};

/// Clients of each kind.
const CLIENTS: usize = 4;
const BULK_ROWS: usize = 20;
/// How long there is load before each change of the primary, and after the last.
const LOAD_TIME: Duration = Duration::from_secs(4);
/// Between two reads of a client: the nodes need the processors as well, to come back.
const READ_PAUSE: Duration = Duration::from_millis(10);
/// How soon both servers write again.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// When it is given up: first it is counted what was lost, then how long it took.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(90);

/// What became of something that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Acknowledged,
    /// 503, nothing was stored.
    Refused,
    /// 503, it is unknown.
    Unknown,
}

/// What one client was told, in order.
#[derive(Default)]
struct Told {
    /// Alias, id where there is one, and what became of it.
    creates: Vec<(String, String, Fate)>,
    /// The id of a contact and the values that its member `n` was given.
    updates: (String, Vec<(u64, Fate)>),
}

/// What all clients see.
struct Load<'l> {
    servers: &'l [Server; 2],
    agent: ureq::Agent,
    key: String,
    begun: Instant,
    is_over: AtomicBool,
    /// The last contact that was acknowledged.
    last_id: Mutex<String>,
    /// The last write that each server acknowledged.
    written: [Mutex<Instant>; 2],
    /// Answers 200, 503, and 503 "unknown".
    counts: [AtomicUsize; 3],
    slowest: Mutex<Duration>,
}

/// Ends the load when it is dropped, also by a panic.
struct Over<'l>(&'l AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Load<'_> {
    /// Sends something that is either done or 503, and nothing else.
    fn send(&self, server: usize, method: &str, path: &str, more: (&str, String)) -> (Reply, Fate) {
        let (once, body) = more;
        let call = self.servers[server].call(method, path).by(&self.agent);
        let mut call = call.key(&self.key);
        if !once.is_empty() {
            call = call.header("Idempotency-Key", once);
        }
        if !body.is_empty() {
            call = call.json(body);
        }
        let sent = Instant::now();
        let reply = call.send();
        let mut slowest = self.slowest.lock().unwrap();
        *slowest = sent.elapsed().max(*slowest);
        let fate = match reply.status {
            200 => Fate::Acknowledged,
            503 if reply.message().starts_with("It is unknown") => Fate::Unknown,
            503 => Fate::Refused,
            _ => panic!("{method} {path}: {}", reply.body),
        };
        self.counts[fate as usize].fetch_add(1, Ordering::Relaxed);
        // Items of a bulk request have answers of their own.
        if fate == Fate::Acknowledged && method != "GET" && !path.ends_with("bulk") {
            *self.written[server].lock().unwrap() = Instant::now();
        }
        if fate != Fate::Acknowledged {
            thread::sleep(Duration::from_millis(50));
        }
        (reply, fate)
    }

    fn is_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Whether both servers have written since.
    fn have_written_since(&self, moment: Instant) -> bool {
        self.written.iter().all(|at| *at.lock().unwrap() > moment)
    }
}

fn contact(alias: &str) -> serde_json::Value {
    json!({"alias": alias, "msisdn": "4479000000001"})
}

/// One contact a request. With a name it is sent, to both servers in turn, until it is
/// there; without one whoever was told "unknown" goes on to the next.
fn create(load: &Load<'_>, client: usize, is_named: bool) -> Told {
    let mut told = Told::default();
    for number in 0.. {
        if !load.is_on() {
            break;
        }
        let alias = format!("{}{client}.{number}", if is_named { "once" } else { "one" });
        let name = if is_named { alias.as_str() } else { "" };
        for server in client.. {
            let body = contact(&alias).to_string();
            let (reply, fate) = load.send(server % 2, "POST", "/contacts", (name, body));
            let mut id = String::new();
            if fate == Fate::Acknowledged {
                id = reply.json()["record"]["id"].as_str().unwrap().to_owned();
                load.last_id.lock().unwrap().clone_from(&id);
            }
            if fate == Fate::Acknowledged || !is_named {
                told.creates.push((alias.clone(), id, fate));
                break;
            }
            if !load.is_on() {
                // One of the tries before may have stored it.
                told.creates.push((alias.clone(), id, Fate::Unknown));
                break;
            }
        }
    }
    told
}

fn create_many(load: &Load<'_>, client: usize) -> Told {
    let mut told = Told::default();
    for number in 0.. {
        if !load.is_on() {
            break;
        }
        let aliases: Vec<String> = (0..BULK_ROWS)
            .map(|row| format!("bulk{client}.{number}.{row}"))
            .collect();
        let contacts: Vec<_> = aliases.iter().map(|alias| contact(alias)).collect();
        let body = json!({"contacts": contacts}).to_string();
        let (reply, fate) = load.send(client % 2, "POST", "/contacts/bulk", ("", body));
        let reply = (fate == Fate::Acknowledged).then(|| reply.json());
        for (row, alias) in aliases.into_iter().enumerate() {
            let (id, fate) = match &reply {
                Some(reply) => of_item(&reply["results"][row]),
                None => (String::new(), fate),
            };
            told.creates.push((alias, id, fate));
        }
    }
    told
}

/// Each item of a bulk request has an answer of its own.
fn of_item(item: &serde_json::Value) -> (String, Fate) {
    if let Some(id) = item["id"].as_str() {
        return (id.to_owned(), Fate::Acknowledged);
    }
    let error = &item["error"];
    assert_eq!(error["statusCode"], 503, "{item}");
    let message = error["message"].as_str().unwrap();
    match message.starts_with("It is unknown") {
        true => (String::new(), Fate::Unknown),
        false => (String::new(), Fate::Refused),
    }
}

fn update(load: &Load<'_>, client: usize) -> Told {
    let alias = format!("changed{client}");
    let body = contact(&alias).to_string();
    let (reply, fate) = load.send(0, "POST", "/contacts", ("", body));
    let id = reply.json()["record"]["id"].as_str().unwrap().to_owned();
    let creates = vec![(alias, id.clone(), fate)];
    let mut values = Vec::new();
    for value in 1.. {
        if !load.is_on() {
            break;
        }
        let body = json!({"meta": {"n": value}}).to_string();
        let path = format!("/contacts/{id}");
        let (_, fate) = load.send(client % 2, "PATCH", &path, ("", body));
        values.push((value, fate));
    }
    let updates = (id, values);
    Told { creates, updates }
}

/// What was acknowledged can be read at once, also behind the failover.
fn read(load: &Load<'_>, client: usize) -> Told {
    while load.is_on() {
        let id = load.last_id.lock().unwrap().clone();
        if id.is_empty() {
            thread::yield_now();
            continue;
        }
        let path = format!("/contacts/{id}");
        load.send(client % 2, "GET", &path, ("", String::new()));
        thread::sleep(READ_PAUSE);
    }
    Told::default()
}

#[test]
fn what_patroni_does_loses_nothing_doubles_nothing_and_takes_less_than_30_s() {
    let Some(nodes) = Nodes::named() else {
        return;
    };
    let servers = [(); 2].map(|()| {
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--no-initial-key"]);
        command.arg("--database").arg(&nodes.url);
        Server::start_plain(command, &nodes.url)
    });
    let now = Instant::now();
    let load = Load {
        agent: agent(),
        key: servers[0].key(FOR_CONTACTS),
        servers: &servers,
        begun: now,
        is_over: AtomicBool::new(false),
        last_id: Mutex::default(),
        written: [now, now].map(Mutex::new),
        counts: Default::default(),
        slowest: Mutex::default(),
    };
    let (told, away): (Vec<Told>, Duration) = thread::scope(|scope| {
        let load = &load;
        let over = Over(&load.is_over);
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            clients.push(scope.spawn(move || create(load, client, false)));
            clients.push(scope.spawn(move || create(load, client, true)));
            clients.push(scope.spawn(move || create_many(load, client)));
            clients.push(scope.spawn(move || update(load, client)));
            clients.push(scope.spawn(move || read(load, client)));
        }
        thread::sleep(LOAD_TIME);
        let switched = change_primary(&nodes, load, "is to be a standby", |old| {
            nodes.switch_over(old);
        });
        let standby =
            || servers[0].call("GET", "/readyz").send().json()["checks"]["standby"] == "ok";
        until(|| standby().then_some(()));
        thread::sleep(LOAD_TIME);
        let failed_over = change_primary(&nodes, load, "dies", |old| nodes.kill(old));
        thread::sleep(LOAD_TIME);
        drop(over);
        let told = clients.into_iter().map(|one| one.join().unwrap());
        (told.collect(), switched.max(failed_over))
    });
    compare(&servers[0], &told);
    let [done, refused, unknown] = load.counts.map(AtomicUsize::into_inner);
    let slowest = load.slowest.into_inner().unwrap().as_secs_f32();
    eprintln!(
        "answers: {done} of 200, {refused} of 503 with nothing stored, {unknown} of 503 unknown; \
        the slowest after {slowest:.1} s"
    );
    // By these words .ci/cluster knows that nothing else is wrong.
    assert!(away < BACK_WITHIN, "too late: back after {away:?}");
}

/// Has another node be the primary by `change`, and waits until both servers write to it;
/// how long that took.
fn change_primary(nodes: &Nodes, load: &Load<'_>, what: &str, change: impl Fn(u32)) -> Duration {
    let say = |what: String| {
        let done = load.counts[0].load(Ordering::Relaxed);
        let seconds = load.begun.elapsed().as_secs_f32();
        eprintln!("{seconds:6.2} s: {what}, {done} answers of 200 so far");
    };
    let old = nodes.primary().unwrap();
    say(format!("node {old} {what}"));
    let begun = Instant::now();
    change(old);
    let is_new = || nodes.primary().filter(|primary| *primary != old);
    let mut since = None;
    let new = loop {
        assert!(begun.elapsed() < GIVEN_UP_AFTER, "no writes any more");
        let new = is_new();
        if new.is_some() && since.is_none() {
            // What was on its way before is no sign.
            since = Some(Instant::now());
        }
        match new.zip(since) {
            Some((new, since)) if load.have_written_since(since) => break new,
            _ => thread::sleep(Duration::from_millis(20)),
        }
    };
    let away = begun.elapsed();
    let seconds = away.as_secs_f32();
    say(format!(
        "both servers write to node {new}, after {seconds:.1} s"
    ));
    away
}

/// Holds what was told against what is there.
fn compare(server: &Server, told: &[Told]) {
    let rows = server.rows("SELECT alias, id, coalesce(meta ->> 'n', '0') FROM contacts");
    let by_alias: HashMap<&str, &str> = rows.iter().map(|row| (&*row[0], &*row[1])).collect();
    let by_id: HashMap<&str, &str> = rows.iter().map(|row| (&*row[1], &*row[2])).collect();
    assert_eq!((by_alias.len(), by_id.len()), (rows.len(), rows.len()));
    let mut tallies = [0; 3];
    let mut unknown_but_stored = 0;
    for (alias, id, fate) in told.iter().flat_map(|told| &told.creates) {
        let found = by_alias.get(&**alias);
        match fate {
            Fate::Acknowledged => assert_eq!(found, Some(&&**id), "{alias} was acknowledged"),
            Fate::Refused => assert_eq!(found, None, "{alias} was refused"),
            Fate::Unknown => unknown_but_stored += usize::from(found.is_some()),
        }
        tallies[*fate as usize] += 1;
    }
    let [acknowledged, refused, unknown] = tallies;
    eprintln!(
        "contacts: {acknowledged} acknowledged, {refused} refused, {unknown} unknown; {} stored, \
        {unknown_but_stored} of them unknown",
        rows.len()
    );
    assert_eq!(rows.len(), acknowledged + unknown_but_stored);
    let mut updates = 0;
    for (id, values) in told.iter().map(|told| &told.updates) {
        let acknowledged = values.iter().rposition(|one| one.1 == Fate::Acknowledged);
        let Some(last) = acknowledged else { continue };
        updates += values
            .iter()
            .filter(|one| one.1 == Fate::Acknowledged)
            .count();
        let found: u64 = by_id[&**id].parse().unwrap();
        let may_be = |(value, fate): &(u64, Fate)| *value == found && *fate != Fate::Refused;
        // One that is unknown may have come late.
        let is_late = values[..last]
            .iter()
            .any(|one| one.1 == Fate::Unknown && may_be(one));
        assert!(
            is_late || values[last..].iter().any(may_be),
            "{found} in {values:?}"
        );
    }
    eprintln!("changes: {updates} acknowledged, none of them lost");
    let total = "SELECT sum(value) FROM counters WHERE name = 'contacts'";
    assert_eq!(server.number(total), server.stored());
}
