//! How the libc's allocator is told to give memory back. By itself glibc keeps what
//! a thread frees for that thread, up to 64 MiB each: every thread would come to hold
//! what one large request took. It reads its settings when a process begins
//! (mallopt(3)), so the server begins once more with them.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Two arenas for all threads; blocks of 256 KiB and more are given back once freed.
const SETTINGS: [(&str, &str); 2] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "262144"),
];

/// Begins this process once more, under the same id, with the settings; returns
/// where they are there already, an operator's among them, or where that fails: then
/// it goes on with more memory.
pub fn begin_again_with_settings() {
    if SETTINGS.iter().any(|(name, _)| env::var_os(name).is_some()) {
        return;
    }
    let mut arguments = env::args_os();
    let mut again = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    let error = again.args(arguments).envs(SETTINGS).exec();
    log::debug!(error:% = error; "the allocator keeps its own settings");
}
