//! Pushes: the daemon, its command line, and the mock of push services.

use std::fs;

use crate::bus::{Bus, Running};

/// A mock in a folder of the bus, and the configuration of one account of each provider there.
fn with_mock(bus: &Bus) -> Running {
    let mut mock = bus.start(&["push-mock", "--folder", "mock"]);
    let listening: serde_json::Value = serde_json::from_str(&mock.next_line()).unwrap();
    let text = |name: &str| listening[name].as_str().unwrap().to_owned();
    let (url, team_id, key_id) = (text("url"), text("apns_team_id"), text("apns_key_id"));
    let accounts = format!(
        "[push]\nallow_addresses = ['127.0.0.1']\nauthorities_file = 'mock/authority.pem'\n\
         senders = ['cli@events.example.org']\n\
         [[push.webpush]]\nvapid_key_file = 'mock/vapid.pem'\ncontact = 'mailto:a@example.org'\n\
         [[push.fcm]]\naccount_file = 'mock/fcm.json'\nurl = '{url}'\n\
         [[push.apns]]\nteam_id = '{team_id}'\nkey_id = '{key_id}'\nkey_file = 'mock/apns.p8'\n\
         production_url = '{url}'\nsandbox_url = '{url}'\n[limits]\n"
    );
    bus.edit("[limits]\n", &accounts);
    mock
}

#[test]
fn broken_credentials_hold_up_one_account_until_they_are_mended() {
    let bus = Bus::initialised();
    let _mock = with_mock(&bus);
    assert_eq!(bus.run(&["config", "check"]).status, Some(0));
    let key = fs::read_to_string(bus.path("mock/apns.p8")).unwrap();
    for (content, problem) in [
        ("no key", "push.apns: the account \"default\": the APNs key: the text has no private key"),
        ("", "push.apns: the account \"default\": the APNs key: "),
    ] {
        bus.write("mock/apns.p8", content);
        let checked = bus.run(&["config", "check"]);
        assert_eq!(checked.status, Some(2), "{checked:?}");
        assert!(checked.stderr.contains(problem), "{checked:?}");
    }
    fs::remove_file(bus.path("mock/apns.p8")).unwrap();
    let doctor = bus.run(&["doctor"]).stdout;
    assert!(
        doctor.contains("FAIL push apns/default: push.apns: the account \"default\": cannot read key_file"),
        "{doctor}"
    );
    assert!(
        doctor.contains("ok   push fcm/default: ") && doctor.contains("ok   push webpush/default: "),
        "{doctor}"
    );

    let mut daemon = bus.serve();
    daemon.wait_for("pushes of this account wait until its credentials are mended");
    let usable = |provider: &str| {
        let metrics = bus.get("/metrics").1;
        let line = format!("stanzabus_push_account_usable{{provider=\"{provider}\",account=\"default\"}} ");
        metrics.split_once(&line).unwrap_or_else(|| panic!("{line} in {metrics}")).1.starts_with('1')
    };
    assert_eq!(["apns", "fcm", "webpush"].map(usable), [false, true, true]);
    bus.write("mock/apns.p8", &key);
    daemon.wait_for("pushes are sent with new credentials");
    assert!(usable("apns"));
    assert_eq!(daemon.stop(), Some(0));
}
