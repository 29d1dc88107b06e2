//! What a server warns of before it is too late.

use std::time::Duration;

use crate::harness::{Server, id_of, make_key, until};

fn warnings(server: &Server, of: &str) -> usize {
    let logged = server.logged();
    let warned = logged
        .lines()
        .filter(|line| line.contains("a key expires soon") && line.contains("\"WARN\""));
    warned.filter(|line| line.contains(of)).count()
}

#[test]
fn a_key_that_is_about_to_end_is_named_once() {
    let server = Server::start_with(&["--limit", "watch_every=20ms"]);
    let key = |ends| make_key(&server.database, &["read:Audit"], &["--expires-in", ends]);
    let (soon, tomorrow, later) = (key("13d"), key("12h"), key("15d"));
    for one in [&soon, &tomorrow] {
        until(|| (warnings(&server, id_of(one)) == 1).then_some(()));
    }
    // Many looks later it was told no more often.
    std::thread::sleep(Duration::from_millis(300));
    for (one, times) in [(&soon, 1), (&tomorrow, 1), (&later, 0)] {
        assert_eq!(warnings(&server, id_of(one)), times, "{}", server.logged());
    }
}
