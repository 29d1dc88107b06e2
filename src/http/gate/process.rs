//! What the system says of this process, under the names that every client library of
//! Prometheus gives it.

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::moment::Moment;

/// Adds the `process_…` metrics of a process that began at `started`.
pub(super) fn register(registry: &mut Registry, started: Moment) {
    let began = ConstGauge::new(started.millis() / 1000);
    registry.register("process_start_time_seconds", "When it began", began);
    register_of_system(registry);
}

/// Adds nothing: the system has no procfs.
#[cfg(not(target_os = "linux"))]
fn register_of_system(_: &mut Registry) {}

/// Adds what the system says; what it does not say is left out.
#[cfg(target_os = "linux")]
fn register_of_system(registry: &mut Registry) {
    use prometheus_client::metrics::counter::ConstCounter;

    let Ok(process) = procfs::process::Process::myself() else {
        return;
    };
    let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    if let Ok(stat) = process.stat() {
        let ticks = procfs::ticks_per_second();
        let cpu_s = (stat.utime + stat.stime) as f64 / ticks as f64;
        let help = "Seconds of processor time";
        registry.register("process_cpu_seconds", help, ConstCounter::new(cpu_s));
        let resident = stat.rss.saturating_mul(procfs::page_size());
        let help = "Bytes of memory that are resident";
        registry.register("process_resident_memory_bytes", help, gauge(resident));
        let help = "Bytes of memory that are mapped";
        registry.register("process_virtual_memory_bytes", help, gauge(stat.vsize));
        let threads = ConstGauge::new(stat.num_threads);
        registry.register("process_threads", "Threads", threads);
    }
    if let Ok(open) = process.fd_count() {
        registry.register("process_open_fds", "Open files", gauge(open as u64));
    }
    if let Ok(limits) = process.limits()
        && let procfs::process::LimitValue::Value(max) = limits.max_open_files.soft_limit
    {
        registry.register("process_max_fds", "Files that may be open", gauge(max));
    }
}
