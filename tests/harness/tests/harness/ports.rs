use std::collections::HashSet;
use std::net::TcpListener;

use harness::free_port;

#[test]
fn ports_are_free_and_given_out_once() {
    let ports: Vec<_> = (0..100).map(|_| free_port()).collect();
    assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
    let port = free_port();
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}
