//! Where people can be reached.

use bus_domain::push::{AccountName, ApnsEnvironment, Device, DeviceId, PushAddress, PushProvider};
use bus_store::{DeviceJudgement, PushStore};

use crate::fixture::bare;

pub async fn a_device_comes_back_as_it_was_put(store: &dyn PushStore) {
    let addresses = [
        PushAddress::Fcm { token: "a:'\"\\é".to_owned() },
        PushAddress::Apns {
            token: "0f".repeat(32),
            bundle_id: "org.example.app".to_owned(),
            environment: ApnsEnvironment::Sandbox,
        },
        PushAddress::WebPush {
            endpoint: format!("https://push.example.net/{}", "x".repeat(2_023)),
            public_key: vec![4; 65],
            auth_secret: (0..16).collect(),
        },
    ];
    for (number, address) in (1..).zip(addresses) {
        let account: AccountName = "team-7".parse().expect("a name");
        let device = Device { address, account, quarantined: Some("é".to_owned()), ..device(number, "t") };
        store.put_device(&device).await.expect("put");
        assert_eq!(store.find_device(device.id).await.expect("found").as_ref(), Some(&device));
        let (provider, token) = (device.address.provider(), device.address.token());
        assert_eq!(store.find_device_by_token(provider, token).await.expect("found"), Some(device));
    }
    let ids = [3, 9, 1, 3].map(|number| DeviceId([number; 16]));
    let found = store.find_devices(&ids).await.expect("found");
    assert_eq!(found.iter().map(|device| device.id.0[0]).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(store.find_device(DeviceId([9; 16])).await.expect("a read"), None);
    assert_eq!(store.find_device_by_token(PushProvider::Fcm, "x").await.expect("a read"), None);
}

pub async fn a_token_is_of_one_device_at_a_time(store: &dyn PushStore) {
    let (first, second) = (device(1, "same"), device(2, "same"));
    store.put_device(&first).await.expect("put");
    let moved = Device { owner: bare("b@example.org"), ..second };
    store.put_device(&moved).await.expect("put");
    assert_eq!(store.find_device(first.id).await.expect("a read"), None);
    assert_eq!(store.find_device(moved.id).await.expect("a read").as_ref(), Some(&moved));
    let rotated = Device { address: PushAddress::Fcm { token: "new".to_owned() }, ..moved };
    store.put_device(&rotated).await.expect("put");
    assert_eq!(store.find_device_by_token(PushProvider::Fcm, "same").await.expect("a read"), None);
    assert_eq!(store.find_device_by_token(PushProvider::Fcm, "new").await.expect("a read"), Some(rotated));
}

pub async fn devices_are_paged_by_owner(store: &dyn PushStore) {
    for number in 1..=5 {
        let owner = bare(if number == 3 { "b@example.org" } else { "a@example.org" });
        store.put_device(&Device { owner, ..device(number, &number.to_string()) }).await.expect("put");
    }
    let page = async |after: Option<u8>, devices_max| {
        let after = after.map(|number| DeviceId([number; 16]));
        let found = store.devices_of(&bare("a@example.org"), after, devices_max).await.expect("a page");
        found.iter().map(|device| device.id.0[0]).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 9).await, [1, 2, 4, 5]);
    assert_eq!(page(None, 2).await, [1, 2]);
    assert_eq!(page(Some(2), 2).await, [4, 5]);
    assert_eq!(page(Some(5), 2).await, Vec::<u8>::new());
    assert_eq!(store.count_devices_of(&bare("a@example.org")).await.expect("a count"), 4);
    assert_eq!(store.count_devices_of(&bare("c@example.org")).await.expect("a count"), 0);
    let removed = store.remove_devices(&[DeviceId([1; 16]), DeviceId([9; 16])]).await.expect("removed");
    assert_eq!(removed, 1);
    assert_eq!(page(None, 9).await, [2, 4, 5]);
}

pub async fn a_judgement_counts_for_the_registration_that_it_is_about(store: &dyn PushStore) {
    for number in 1..=4 {
        store.put_device(&device(number, &number.to_string())).await.expect("put");
    }
    let judgement = |number: u8, registered_at_ms, quarantine: Option<&str>| DeviceJudgement {
        id: DeviceId([number; 16]),
        registered_at_ms,
        quarantine: quarantine.map(str::to_owned),
    };
    let judgements = [
        judgement(1, 10, None),
        judgement(2, 10, Some("why")),
        judgement(3, 9, None),
        judgement(4, 9, Some("why")),
        judgement(9, 10, None),
    ];
    let mut judged = store.judge_devices(&judgements).await.expect("judged");
    judged.sort();
    assert_eq!(judged, [DeviceId([1; 16]), DeviceId([2; 16])]);
    assert_eq!(store.find_device(DeviceId([1; 16])).await.expect("a read"), None);
    for (number, expected) in [(2, Some("why")), (3, None), (4, None)] {
        let found = store.find_device(DeviceId([number; 16])).await.expect("a read").expect("a device");
        assert_eq!(found.quarantined.as_deref(), expected, "{number}");
    }
    assert_eq!(store.judge_devices(&[]).await.expect("nothing"), []);
}

pub async fn devices_that_nobody_has_seen_are_removed_in_steps(store: &dyn PushStore) {
    for number in 1..=5 {
        let seen_at_ms = i64::from(number);
        store.put_device(&Device { seen_at_ms, ..device(number, &number.to_string()) }).await.expect("put");
    }
    assert_eq!(store.remove_devices_unseen_since(4, 3).await.expect("removed"), 3);
    assert!(
        store.find_device(DeviceId([4; 16])).await.expect("a read").is_some(),
        "the longest unseen go first"
    );
    assert_eq!(store.remove_devices_unseen_since(4, 3).await.expect("removed"), 1);
    assert_eq!(store.remove_devices_unseen_since(4, 3).await.expect("removed"), 0);
    assert!(store.find_device(DeviceId([5; 16])).await.expect("a read").is_some());
}

/// A device of FCM that registered at 10.
pub(crate) fn device(number: u8, token: &str) -> Device {
    Device {
        id: DeviceId([number; 16]),
        owner: bare("a@example.org"),
        address: PushAddress::Fcm { token: token.to_owned() },
        account: AccountName::default(),
        registered_at_ms: 10,
        seen_at_ms: 11,
        quarantined: None,
    }
}
