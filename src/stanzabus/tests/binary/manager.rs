//! What a service manager hears (`sd_notify(3)`).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::bus::Bus;

/// The next word that is none of `but`.
fn next_word(manager: &UnixDatagram, but: &str) -> String {
    let mut word = [0; 64];
    loop {
        let bytes = manager.recv(&mut word).expect("the daemon says something within the timeout");
        let word = String::from_utf8_lossy(&word[..bytes]).into_owned();
        if word != but {
            return word;
        }
    }
}

fn bound(address: &SocketAddr) -> UnixDatagram {
    let manager = UnixDatagram::bind_addr(address).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    manager
}

#[test]
fn the_manager_hears_of_start_life_and_end() {
    let bus = Bus::initialised();
    let path = bus.path("notify");
    let manager = bound(&SocketAddr::from_pathname(&path).unwrap());
    let daemon = bus.serve_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "100000")]);
    assert_eq!(next_word(&manager, ""), "READY=1");
    assert_eq!(next_word(&manager, ""), "WATCHDOG=1");
    assert_eq!(next_word(&manager, ""), "WATCHDOG=1", "again and again");
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(next_word(&manager, "WATCHDOG=1"), "STOPPING=1");
}

#[test]
fn a_manager_with_an_abstract_name_is_found_and_no_watchdog_means_no_word_of_it() {
    let bus = Bus::initialised();
    let name = format!("stanzabus-{}", bus.grpc.port());
    let manager = bound(&SocketAddr::from_abstract_name(&name).unwrap());
    let not_ours = ("WATCHDOG_PID", "1");
    let variables = [("NOTIFY_SOCKET", &*format!("@{name}")), ("WATCHDOG_USEC", "1000"), not_ours];
    let daemon = bus.serve_with(&variables);
    assert_eq!(next_word(&manager, ""), "READY=1");
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(next_word(&manager, ""), "STOPPING=1");
}

#[test]
fn a_manager_that_is_gone_ends_nothing() {
    let bus = Bus::initialised();
    let daemon = bus.serve_with(&[("NOTIFY_SOCKET", bus.path("nobody").to_str().unwrap())]);
    assert_eq!(daemon.stop(), Some(0));
}
