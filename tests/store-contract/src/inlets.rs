//! Where pushes come in.

use bus_domain::NodeName;
use bus_domain::push::{
    AccountName, Device, DeviceId, Inlet, InletId, InletSecret, InletTarget, PushAddress,
};
use bus_store::{DeviceJudgement, PushStore};

use crate::fixture::bare;

pub async fn an_inlet_comes_back_as_it_was_made_with_its_device(store: &dyn PushStore) {
    let device = device(1, "a");
    store.put_device(&device).await.expect("put");
    let to_device = inlet(1, InletTarget::Device(device.id));
    assert_eq!(store.put_inlet(&to_device).await.expect("a write").as_ref(), Some(&to_device));
    let found = store.find_inlet(to_device.id).await.expect("a read").expect("it is there");
    assert_eq!((found.inlet, found.device), (to_device, Some(device)));
    for (number, sender_key) in [(2, None), (3, Some(vec![4; 65]))] {
        let node = NodeName::new("push/é").expect("a name");
        let to_node = inlet(number, InletTarget::Node { node, sender_key });
        assert_eq!(store.put_inlet(&to_node).await.expect("a write").as_ref(), Some(&to_node));
        let found = store.find_inlet(to_node.id).await.expect("a read").expect("it is there");
        assert_eq!((found.inlet, found.device), (to_node, None));
    }
    assert_eq!(store.find_inlet(InletId([9; 16])).await.expect("a read"), None);
}

pub async fn a_device_has_one_inlet_which_goes_with_it(store: &dyn PushStore) {
    let device = device(1, "a");
    let first = inlet(1, InletTarget::Device(device.id));
    assert_eq!(store.put_inlet(&first).await.expect("a write"), None, "there is no such device");
    store.put_device(&device).await.expect("put");
    store.put_inlet(&first).await.expect("a write").expect("it is there");
    let second = Inlet { secret: InletSecret([8; 16]), ..inlet(2, InletTarget::Device(device.id)) };
    assert_eq!(
        store.put_inlet(&second).await.expect("a write").as_ref(),
        Some(&first),
        "the first one stays"
    );
    assert_eq!(store.find_inlet(second.id).await.expect("a read"), None);
    let rotated = Device { address: PushAddress::Fcm { token: "b".to_owned() }, ..device.clone() };
    store.put_device(&rotated).await.expect("put");
    let found = store.find_inlet(first.id).await.expect("a read").expect("it is there");
    assert_eq!(found.device, Some(rotated), "a device that registers anew keeps it");
    let gone = DeviceJudgement { id: device.id, registered_at_ms: device.registered_at_ms, quarantine: None };
    store.judge_devices(&[gone]).await.expect("a judgement");
    assert_eq!(store.find_inlet(first.id).await.expect("a read"), None);
    assert_eq!(store.count_inlets_of(&first.owner).await.expect("a count"), 0);
}

pub async fn inlets_are_paged_by_owner_and_removed(store: &dyn PushStore) {
    for number in 1..=5 {
        let owner = bare(if number == 3 { "b@example.org" } else { "a@example.org" });
        let node = NodeName::new("n").expect("a name");
        let inlet = Inlet { owner, ..inlet(number, InletTarget::Node { node, sender_key: None }) };
        store.put_inlet(&inlet).await.expect("a write").expect("it is there");
    }
    let page = async |after: Option<u8>, inlets_max| {
        let after = after.map(|number| InletId([number; 16]));
        let found = store.inlets_of(&bare("a@example.org"), after, inlets_max).await.expect("a page");
        found.iter().map(|found| found.inlet.id.0[0]).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 9).await, [1, 2, 4, 5]);
    assert_eq!(page(None, 2).await, [1, 2]);
    assert_eq!(page(Some(2), 9).await, [4, 5]);
    assert_eq!(store.count_inlets_of(&bare("a@example.org")).await.expect("a count"), 4);
    assert!(store.remove_inlet(InletId([2; 16])).await.expect("a write"));
    assert!(!store.remove_inlet(InletId([2; 16])).await.expect("a write"), "it is gone");
    assert_eq!(page(None, 9).await, [1, 4, 5]);
}

fn inlet(number: u8, target: InletTarget) -> Inlet {
    Inlet {
        id: InletId([number; 16]),
        owner: bare("a@example.org"),
        secret: InletSecret([7; 16]),
        target,
        created_at_ms: 5,
    }
}

fn device(number: u8, token: &str) -> Device {
    Device {
        id: DeviceId([number; 16]),
        owner: bare("a@example.org"),
        address: PushAddress::Fcm { token: token.to_owned() },
        account: AccountName::default(),
        registered_at_ms: 1,
        seen_at_ms: 2,
        quarantined: None,
    }
}
