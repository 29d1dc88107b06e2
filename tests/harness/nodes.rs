//! Three nodes that somebody else has started (`.ci/cluster`): on each PostgreSQL under
//! Patroni, and a member of etcd.

use std::path::{Path, PathBuf};

use super::call::Call;
use super::cluster::kill_all_of;
use super::signal;

const FOLDER: &str = "ADDRESSBOOK_TEST_CLUSTER";
const URL: &str = "ADDRESSBOOK_TEST_CLUSTER_URL";

/// Nodes of which one is the primary.
pub struct Nodes {
    folder: PathBuf,
    /// A book on whichever of them takes writes.
    pub url: PathBuf,
}

impl Nodes {
    /// Those that the environment names, or says that the test is skipped.
    pub fn named() -> Option<Self> {
        let (Some(folder), Some(url)) = (std::env::var_os(FOLDER), std::env::var_os(URL)) else {
            eprintln!("skipped: needs three nodes, which .ci/cluster starts");
            return None;
        };
        let (folder, url) = (folder.into(), url.into());
        Some(Self { folder, url })
    }

    /// The number of the one node whose PostgreSQL is no standby.
    pub fn primary(&self) -> Option<u32> {
        let is_primary = |node: &u32| {
            let data = self.folder.join(node.to_string()).join("data");
            data.join("postmaster.pid").exists() && !data.join("standby.signal").exists()
        };
        (1..=3).find(is_primary)
    }

    /// Has Patroni make the synchronous standby the primary, and the primary a standby.
    pub fn switch_over(&self, primary: u32) {
        let address = self.folder.join(format!("{primary}/patroni.address"));
        let address = std::fs::read_to_string(address).unwrap();
        let url = format!("http://{}/switchover", address.trim_end());
        let call = Call::begin("POST", url);
        let reply = call.json(format!(r#"{{"leader":"node{primary}"}}"#)).send();
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    /// `kill -9` of all that runs on a node.
    pub fn kill(&self, node: u32) {
        let node = self.folder.join(node.to_string());
        for program in ["patroni", "etcd"] {
            kill(&node.join(program).with_extension("pid"));
        }
        kill_all_of(&node.join("data"));
    }
}

fn kill(file: &Path) {
    let process = std::fs::read_to_string(file).unwrap();
    signal(process.trim_end().parse().unwrap(), "KILL");
}
