//! A key that is revoked on one server, and what another one does with it: whatever waits
//! there, nothing of it is written once the revocation is answered.

use std::path::Path;
use std::thread;

use serde_json::json;

use super::sessions::{by_cookie, session};
use super::shared::two;
use crate::harness::{FOR_CONTACTS, Reply, Server, id_of, stands_on_postgres, until};

/// Clients behind the one that waits.
const CLIENTS: usize = 16;

fn revoke(server: &Server, admin: &str, key: &str) {
    let path = format!("/auth/keys/{}", id_of(key));
    let revoked = server.call("DELETE", &path).key(admin).send();
    assert_eq!(revoked.status, 200, "{}", revoked.body);
}

fn contact(alias: &str) -> String {
    json!({"alias": alias, "msisdn": "4479000000001"}).to_string()
}

#[test]
fn with_its_key_a_session_is_dead_on_the_other_server_at_its_next_request() {
    if !stands_on_postgres() {
        return;
    }
    let ([first, second], admin) = two();
    for round in 0..10 {
        let key = first.key(FOR_CONTACTS);
        let cookie = session(&second, &key);
        let create = |server| {
            let call = by_cookie(server, "POST", "/addressbook/contacts", &cookie);
            call.json(contact(&round.to_string())).send()
        };
        assert_eq!(create(&second).status, 200);
        revoke(&first, &admin, &key);
        assert_eq!(create(&second).status, 401);
        let read = by_cookie(&second, "GET", "/auth/test", &cookie).send();
        assert_eq!(read.status, 401);
    }
    assert_eq!(first.stored(), 10);
}

/// Has a row of the alias `held` for a while, in a transaction that is then rolled back.
fn hold(server: &Server) {
    server.change(
        "BEGIN; INSERT INTO contacts (id, alias, msisdn, meta, updated_on)
            VALUES (gen_random_uuid(), 'held', '4479000000002', '{}', 0)
            ON CONFLICT (alias) DO UPDATE SET msisdn = contacts.msisdn;
        SELECT pg_sleep(2); ROLLBACK",
    );
}

/// Revokes a key while a write of the second server waits for a row, and others behind it;
/// `send` is given the number of a client, 0 for the one that waits.
fn revoke_while_it_waits(
    servers: &[Server; 2],
    (admin, key): (&str, &str),
    send: impl Fn(usize) -> Reply + Sync,
) {
    let schema = servers[0].column("SELECT current_schema()").remove(0);
    let of_this_book = |what: &str| {
        let asked = format!(
            "SELECT count(*) FROM pg_stat_activity
            WHERE application_name = '{schema}' AND {what}"
        );
        until(|| (servers[0].number(&asked) > 0).then_some(()));
    };
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        scope.spawn(|| hold(&servers[0]));
        of_this_book("wait_event = 'PgSleep'");
        let send = &send;
        let first = scope.spawn(move || send(0));
        of_this_book("wait_event_type = 'Lock'");
        let clients = (1..=CLIENTS).map(|client| scope.spawn(move || send(client)));
        let clients: Vec<_> = std::iter::once(first).chain(clients).collect();
        revoke(&servers[0], admin, key);
        let written = "SELECT count(*) FILTER (WHERE updated_on > 0) FROM contacts";
        let stored = servers[0].number(written);
        let replies = clients.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(servers[0].number(written), stored, "nothing came behind it");
        replies
    });
    for reply in replies {
        assert!([200, 401].contains(&reply.status), "{}", reply.body);
    }
    assert_eq!(send(CLIENTS + 1).status, 401);
}

#[test]
fn of_creates_that_wait_in_a_lane_none_comes_behind_the_revocation() {
    if !stands_on_postgres() {
        return;
    }
    let (servers, admin) = two();
    let key = servers[0].key(&["create:Contacts"]);
    revoke_while_it_waits(&servers, (&admin, &key), |client| {
        let alias = if client == 0 {
            "held".to_owned()
        } else {
            client.to_string()
        };
        servers[1].create(&key, contact(&alias))
    });
}

#[test]
fn of_changes_that_wait_for_a_row_none_comes_behind_the_revocation() {
    if !stands_on_postgres() {
        return;
    }
    let (servers, admin) = two();
    let key = servers[0].key(FOR_CONTACTS);
    let created = servers[0].create(&key, contact("held")).json();
    let path = format!("/contacts/{}", created["record"]["id"].as_str().unwrap());
    revoke_while_it_waits(&servers, (&admin, &key), |client| {
        let body = json!({"meta": {"n": client}}).to_string();
        servers[1].call("PATCH", &path).key(&key).json(body).send()
    });
}

#[test]
fn of_creates_by_a_session_none_comes_behind_the_revocation_of_its_key() {
    if !stands_on_postgres() {
        return;
    }
    let (servers, admin) = two();
    let key = servers[0].key(&["create:Contacts"]);
    let cookie = session(&servers[1], &key);
    revoke_while_it_waits(&servers, (&admin, &key), |client| {
        let alias = if client == 0 {
            "held".to_owned()
        } else {
            client.to_string()
        };
        let call = by_cookie(&servers[1], "POST", "/addressbook/contacts", &cookie);
        call.json(contact(&alias)).send()
    });
}

#[test]
fn a_key_is_read_as_it_is_behind_the_lock_whatever_the_role_has_as_its_isolation() {
    if !stands_on_postgres() {
        return;
    }
    let first = Server::start();
    let url = first.database.to_str().unwrap();
    let isolation = "-c%20default_transaction_isolation%3Dserializable";
    let url = url.replace("&options=", &format!("&options={isolation}%20"));
    let second = Server::start_on(Path::new(&url));
    let key = first.key(FOR_CONTACTS);
    // It waits for whoever changes keys, and has begun its transaction before.
    let change = format!(
        "BEGIN; SELECT pg_advisory_xact_lock(
            hashtextextended('addressbook keys ' || current_schema(), 0));
        SELECT pg_sleep(1); UPDATE api_keys SET revoked_on = 1 WHERE id = '{}'; COMMIT",
        id_of(&key)
    );
    thread::scope(|scope| {
        scope.spawn(|| first.change(&change));
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
            AND mode = 'ExclusiveLock'
            AND pid IN (SELECT pid FROM pg_stat_activity WHERE query LIKE '%revoked_on = 1%')";
        until(|| (first.number(waits) > 0).then_some(()));
        let put = second
            .call("PUT", "/addressbook/contacts/alias/late")
            .key(&key);
        let reply = put.json(r#"{"msisdn":"4479000000001"}"#).send();
        assert_eq!(reply.status, 401, "{}", reply.body);
    });
    assert_eq!(first.stored(), 0);
}
