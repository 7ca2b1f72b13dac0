//! Ports that nobody listens on.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux picks the local ports of outgoing connections (32768 and up), so that a port stays
/// free while its server restarts.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// How many ports this process has tried.
static TRIED: AtomicU16 = AtomicU16::new(0);

/// A loopback port that is free now, and that this process gives out only once.
///
/// # Panics
/// When every port of the range is taken.
pub fn free_port() -> u16 {
    // Test processes that run at once start at different places.
    let start = u16::try_from(std::process::id() * 97 % u32::from(COUNT)).expect("below COUNT");
    for _ in 0..COUNT {
        let offset = (u32::from(start) + u32::from(TRIED.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).expect("below COUNT");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT - 1);
}
