//! A daemon whose gRPC talks TLS, and this command line.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::bus::Bus;

const TLS: &str = "[grpc.tls]\ncertificate_file = \"grpc.pem\"\nkey_file = \"grpc.key\"\n\n[grpc.client_tls]\n\
                   authorities_file = \"ca.pem\"\nname = \"bus.example.org\"\n\n";

/// Writes a fresh authority, and a certificate that it has signed.
fn write_certificates(bus: &Bus) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    bus.write("ca.pem", &authority.self_signed(&authority_key).unwrap().pem());
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["bus.example.org".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    bus.write("grpc.key", &key.serialize_pem());
    bus.write("grpc.pem", &certificate.pem());
}

#[test]
fn the_command_line_talks_tls_and_certificates_are_renewed_while_the_daemon_runs() {
    let bus = Bus::initialised();
    write_certificates(&bus);
    bus.edit("[http]", &format!("{TLS}[http]"));
    let mut daemon = bus.serve();
    assert_eq!(bus.run(&["node", "create", "news"]).status, Some(0));

    write_certificates(&bus);
    // The key and the certificate may be noticed one by one; with both, all is well.
    let distrustful = || bus.run(&["node", "list"]);
    daemon.wait_for_another("tokens and certificates are read anew");
    let listed = distrustful();
    assert!(listed.status == Some(0) && listed.stdout.contains("news"), "{listed:?}");

    bus.edit("name = \"bus.example.org\"", "name = \"other.example.org\"");
    let wrong_name = bus.run(&["node", "list"]);
    assert_eq!(wrong_name.status, Some(1), "{wrong_name:?}");
    assert!(wrong_name.stderr.contains("certificate"), "{wrong_name:?}");
}

#[test]
fn a_token_is_revoked_though_the_certificate_cannot_be_read_and_both_are_mended_later() {
    let bus = Bus::initialised();
    write_certificates(&bus);
    bus.edit("[http]", &format!("{TLS}[http]"));
    let mut daemon = bus.serve();
    let token = bus.run(&["token", "create", "shop"]).stdout;
    daemon.wait_for_another("are read anew");
    bus.write("stanzabus.token", &token);
    assert_eq!(bus.run(&["node", "list"]).status, Some(0));

    let key = std::fs::read_to_string(bus.path("grpc.key")).unwrap();
    bus.write("grpc.key", "no key");
    daemon.wait_for_another("stay as they were");
    let id =
        bus.run(&["token", "list"]).stdout.lines().last().unwrap()["{\"id\":\"".len()..][..12].to_owned();
    assert_eq!(bus.run(&["token", "revoke", &id]).status, Some(0));
    // It is told of as soon as it is tried again.
    daemon.wait_for_another("stay as they were");
    assert!(bus.run(&["node", "list"]).stderr.contains("does not accept the token"));
    bus.write("grpc.key", &key);
    daemon.wait_for_another("are read anew");
}

#[test]
fn with_tls_the_daemon_may_listen_beyond_loopback() {
    let bus = Bus::initialised();
    write_certificates(&bus);
    bus.edit("[http]", &format!("{TLS}[http]"));
    bus.edit(&bus.grpc.to_string(), &format!("0.0.0.0:{}", bus.grpc.port()));
    let daemon = bus.serve();
    assert_eq!(bus.run(&["node", "list"]).status, Some(0));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_makes_no_tls_is_refused_with_its_key() {
    let bus = Bus::initialised();
    bus.edit("[http]", &format!("{TLS}[http]"));
    let complaint = || {
        let said = bus.run(&["config", "check"]);
        assert_eq!(said.status, Some(2), "{said:?}");
        said.stderr
    };
    assert!(complaint().contains("grpc.tls.certificate_file: cannot read grpc.pem"));
    write_certificates(&bus);
    assert_eq!(bus.run(&["config", "check"]).status, Some(0));
    bus.write("grpc.key", "no key");
    assert!(complaint().contains("grpc.tls: the text has no private key"));
    // Not what stands in a comment above it, too.
    let optional = "client_certificate_is_optional = true\n\n[grpc.client_tls]\nauth";
    bus.edit("\n[grpc.client_tls]\nauth", optional);
    assert!(complaint().contains("grpc.tls.client_certificate_is_optional: says nothing without"));
}
