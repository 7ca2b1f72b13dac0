use std::fs;

use harness::Daemon;

/// What the daemon may grow by, whatever comes.
pub(super) const GROWTH_BYTES_MAX: u64 = 100 << 20;

/// What the daemon holds in memory, as Linux counts it.
pub(super) fn resident_bytes(daemon: &Daemon) -> u64 {
    let id = daemon.process_id().expect("the daemon runs");
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the daemon runs");
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
    let kib: u64 = value.and_then(|value| value.trim().parse().ok()).expect("Linux counts it in kB");
    1024 * kib
}
