use std::fs;

use crate::bus::Bus;

#[test]
fn exit_statuses_tell_usage_from_the_rest() {
    let bus = Bus::initialised();
    fs::write(bus.path("password"), "secret\n").unwrap();
    let as_user = |address: &'static str| {
        [
            "pub",
            "n",
            "--xml",
            "<a/>",
            "--as",
            "a@example.org",
            "--password-file",
            "password",
            "--xmpp-server",
            address,
        ]
    };
    for (arguments, status, expected) in [
        (&["bogus"][..], 2, "unrecognized subcommand"),
        (&["pub", "n"], 2, "--xml"),
        (&["pub", "n", "--xml", "<a/>", "--file", "x"], 2, "cannot be used with"),
        (&["pub", "n", "--cloud-event", "{}"], 2, "--cloud-event: the attribute \"specversion\" is required"),
        (&["tail", "n", "--epoch", "1", "--after-seq", "1"], 2, "16 hexadecimal digits"),
        (&["tail", "n", "--after", "x"], 2, "--as"),
        (&["node", "affiliate", "n", "a@b", "king"], 2, "outcast"),
        (&["--config", "none.toml", "node", "list"], 2, "cannot read none.toml"),
        (&["pub", "n", "--xml", "<a/>", "--as", "a@example.org"], 2, "STANZABUS_PASSWORD"),
        (
            &["pub", "n", "--xml", "<a/>", "--as", "example.org", "--password-file", "password"],
            2,
            "names no user",
        ),
        (&["pub", "n", "--file", "no-such-file"], 1, "cannot read no-such-file"),
        (&["node", "list"], 1, "no stanzabus answers on 127.0.0.1:"),
        (&as_user("127.0.0.1:1"), 1, "cannot reach the XMPP server of a@example.org at 127.0.0.1:1"),
        (&as_user("127.0.0.1"), 1, "write HOST:PORT"),
        (&["--help"], 0, ""),
        (&["--version"], 0, ""),
    ] {
        let said = bus.run(arguments);
        assert_eq!(said.status, Some(status), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(expected), "{arguments:?}: {said:?}");
    }
}

#[test]
fn a_failure_is_one_line_that_says_what_and_how_to_mend_it() {
    let bus = Bus::initialised();
    bus.edit("secret_file =", "secert_file =");
    let said = bus.run(&["config", "check"]);
    let expected =
        "stanzabus: stanzabus.toml: unknown key \"xmpp.secert_file\"; did you mean \"xmpp.secret_file\"?\n";
    assert_eq!((said.status, said.stderr.as_str()), (Some(2), expected));
    assert_eq!(said.stdout, "");
}

#[test]
fn the_environment_reaches_the_binary() {
    let bus = Bus::initialised();
    let said = bus.run_with(&["config", "check"], &[("STANZABUS_GRPC__LISTEN", "0.0.0.0:1")]);
    assert_eq!(said.status, Some(2));
    assert!(said.stderr.contains("gRPC on 0.0.0.0:1"), "{said:?}");
}

#[test]
fn doctor_names_what_is_wrong_and_what_is_not() {
    let bus = Bus::initialised();
    let said = bus.run(&["doctor"]);
    assert_eq!(said.status, Some(1));
    let begins: Vec<_> = said.stdout.lines().map(|line| line.split(':').next().unwrap()).collect();
    let expected = [
        "ok   config",
        "ok   secret",
        "ok   store",
        "ok   grpc port",
        "ok   http port",
        "FAIL xmpp server",
        "ok   token",
    ];
    assert_eq!(begins, expected, "{said:?}");
    assert_eq!(said.stderr, "stanzabus: 1 of 7 checks failed\n");

    fs::remove_file(bus.path("stanzabus.secret")).unwrap();
    fs::write(bus.path("stanzabus.token"), "another").unwrap();
    let _port = std::net::TcpListener::bind(bus.grpc).unwrap();
    bus.edit("sqlite:stanzabus.db", "sqlite:no-such-folder/stanzabus.db");
    let said = bus.run(&["doctor"]);
    for expected in ["FAIL secret", "FAIL store", "FAIL grpc port", "FAIL token"] {
        assert!(said.stdout.contains(expected), "{expected}: {said:?}");
    }
}
