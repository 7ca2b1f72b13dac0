use std::sync::Arc;

use bridge_grpc::v1;
use bridge_grpc::v1::device_address::Provider;
use bridge_grpc::v1::push_registration::Target;
use bus_domain::push::{PushAddress, PushMessage, PushProvider, PushVerdict};
use bus_domain::{Actor, BareJid, Role};
use bus_engine::{Push, PushAccount, PushOutcome, PushSink, Unfit};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::rig::{ADMIN, ALICE, BOB, Rig, expect_refusal, jid_of, soon};

/// Takes everything but what is called so.
struct Stub;

#[tonic::async_trait]
impl PushSink for Stub {
    fn provider(&self) -> PushProvider {
        PushProvider::Fcm
    }

    fn check(&self, _: &PushAddress, message: &PushMessage) -> Result<(), Unfit> {
        match message.title.as_deref() {
            Some("long") => Err(Unfit::PayloadTooLarge { bytes: 9, bytes_max: 8 }),
            _ => Ok(()),
        }
    }

    fn subscription_key(&self) -> Option<String> {
        Some("the-key".to_owned())
    }

    async fn send(&self, push: &Push<'_>) -> PushOutcome {
        match push.message.title.as_deref() {
            Some("refused") => PushOutcome::new(PushVerdict::Rejected, "said_no"),
            _ => PushOutcome::new(PushVerdict::Delivered, "accepted"),
        }
    }
}

pub(crate) fn account() -> PushAccount {
    (Arc::new(Stub) as Arc<dyn PushSink>).into()
}

fn fcm(token: &str) -> v1::DeviceAddress {
    v1::DeviceAddress { provider: Some(Provider::Fcm(v1::FcmAddress { token: token.to_owned() })) }
}

fn registration(owner: &str, token: &str) -> v1::RegisterDeviceRequest {
    let address = Some(fcm(token));
    v1::RegisterDeviceRequest { owner: owner.to_owned(), address, account: String::new() }
}

pub(crate) async fn register(rig: &Rig, principal: &'static str, token: &str) -> v1::Device {
    let answer = rig.push(principal).register_device(registration("", token)).await.unwrap();
    answer.into_inner().device.unwrap()
}

fn order(title: &str, owners: &[&str]) -> v1::SendPushRequest {
    let ttl = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let message = v1::PushMessage { title: Some(title.to_owned()), ttl, ..v1::PushMessage::default() };
    let owners = owners.iter().map(|owner| jid_of(owner)).collect();
    v1::SendPushRequest { owners, message: Some(message), ..v1::SendPushRequest::default() }
}

async fn send(rig: &Rig, order: v1::SendPushRequest) -> Vec<v1::QueuedPush> {
    rig.push(ALICE).send_push(order).await.unwrap().into_inner().pushes
}

async fn job(rig: &Rig, id: &str) -> Result<v1::PushJob, Status> {
    let request = v1::GetPushJobRequest { job_id: id.to_owned() };
    Ok(rig.push(ALICE).get_push_job(request).await?.into_inner().job.unwrap())
}

/// Runs the senders until nothing waits.
async fn run(rig: &Rig) {
    let stop = CancellationToken::new();
    let running = {
        let (pushes, stop) = (rig.pushes.clone(), stop.clone());
        tokio::spawn(async move { pushes.run(stop).await })
    };
    soon(async {
        while !rig.pushes.queues().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn devices_are_registered_moved_listed_and_deleted() {
    let rig = Rig::start().await;
    let device = register(&rig, BOB, "one").await;
    assert_eq!((device.owner.as_str(), device.account.as_str()), (jid_of(BOB).as_str(), "default"));
    assert_eq!(device.address, Some(fcm("one")));
    assert_eq!(register(&rig, BOB, "one").await.device_id, device.device_id, "once more is the same device");
    let update = v1::UpdateDeviceRequest {
        device_id: device.device_id.clone(),
        address: Some(fcm("two")),
        account: String::new(),
    };
    let moved = rig.push(BOB).update_device(update).await.unwrap().into_inner().device.unwrap();
    assert_eq!((moved.device_id, moved.address), (device.device_id.clone(), Some(fcm("two"))));
    let still_there =
        v1::UpdateDeviceRequest { device_id: device.device_id.clone(), ..v1::UpdateDeviceRequest::default() };
    let seen = rig.push(BOB).update_device(still_there).await.unwrap().into_inner().device.unwrap();
    assert_eq!(seen.address, Some(fcm("two")));
    register(&rig, BOB, "three").await;
    let list = |page_token: String| async {
        let request = v1::ListDevicesRequest { owner: jid_of(BOB), page_size: 1, page_token };
        rig.push(ADMIN).list_devices(request).await.unwrap().into_inner()
    };
    let first = list(String::new()).await;
    let second = list(first.next_page_token).await;
    let third = list(second.next_page_token).await;
    assert_eq!((first.devices.len(), second.devices.len(), third.devices.len()), (1, 1, 0));
    assert_eq!(third.next_page_token, "");
    let delete = v1::DeleteDeviceRequest { device_id: device.device_id };
    rig.push(BOB).delete_device(delete.clone()).await.unwrap();
    let again = rig.push(BOB).delete_device(delete).await;
    expect_refusal(again, Code::NotFound, "DEVICE_NOT_FOUND", None);
}

#[tokio::test]
async fn registrations_are_paged_for_their_owner_and_for_admins() {
    let rig = Rig::start().await;
    let device = register(&rig, BOB, "one").await;
    let bob = Actor::new(BareJid::new(&jid_of(BOB)).unwrap(), Role::User);
    let inlet = rig.pushes.open_inlet(&bob, device.device_id.parse().unwrap()).await.unwrap();
    let web = rig.pushes.open_web_inlet(&rig.engine, &bob, "Toots", None).await.unwrap();
    let mut listed = Vec::new();
    let mut page_token = String::new();
    for (caller, owner) in [(BOB, String::new()), (ADMIN, jid_of(BOB))] {
        let request = v1::ListPushRegistrationsRequest { owner, page_size: 1, page_token };
        let page = rig.push(caller).list_push_registrations(request).await.unwrap().into_inner();
        listed.extend(page.registrations);
        page_token = page.next_page_token;
    }
    let mut ids: Vec<_> = [&inlet, &web].map(|inlet| inlet.id.to_string()).into();
    ids.sort();
    assert_eq!(listed.iter().map(|it| it.registration_id.clone()).collect::<Vec<_>>(), ids);
    let of_device = listed.iter().find(|it| it.registration_id == inlet.id.to_string()).unwrap();
    assert_eq!(of_device.target, Some(Target::DeviceId(device.device_id)));
    assert_eq!(of_device.owner, jid_of(BOB));
    let request = v1::ListPushRegistrationsRequest { owner: jid_of(BOB), ..Default::default() };
    let others = rig.push(ALICE).list_push_registrations(request).await;
    expect_refusal(others, Code::PermissionDenied, "PUSH_FORBIDDEN", None);
}

#[tokio::test]
async fn what_is_wrong_with_a_device_is_named() {
    let rig = Rig::start().await;
    let mut push = rig.push(BOB);
    let mut check = async |request: v1::RegisterDeviceRequest, code, reason: &str, field| {
        expect_refusal(push.register_device(request).await, code, reason, field);
    };
    let invalid = Code::InvalidArgument;
    check(registration("", "a b"), invalid, "DEVICE_ADDRESS_INVALID", Some("address")).await;
    check(registration("@", "a"), invalid, "REQUEST_INVALID", Some("owner")).await;
    let none = v1::RegisterDeviceRequest::default();
    check(none.clone(), invalid, "REQUEST_INVALID", Some("address")).await;
    let nowhere = v1::RegisterDeviceRequest { address: Some(v1::DeviceAddress::default()), ..none };
    check(nowhere, invalid, "REQUEST_INVALID", Some("address")).await;
    let account = v1::RegisterDeviceRequest { account: "A B".to_owned(), ..registration("", "a") };
    check(account, invalid, "REQUEST_INVALID", Some("account")).await;
    let unknown = v1::RegisterDeviceRequest { account: "other".to_owned(), ..registration("", "a") };
    check(unknown, Code::FailedPrecondition, "PUSH_NOT_CONFIGURED", Some("account")).await;
    let apns = v1::ApnsAddress { token: "0f".to_owned(), bundle_id: "a".to_owned(), environment: 0 };
    let apple = v1::DeviceAddress { provider: Some(Provider::Apns(apns)) };
    let apple = v1::RegisterDeviceRequest { address: Some(apple), ..registration("", "a") };
    check(apple, Code::FailedPrecondition, "PUSH_NOT_CONFIGURED", None).await;
    check(registration(&jid_of(ALICE), "a"), Code::PermissionDenied, "PUSH_FORBIDDEN", None).await;
    let of_alice = register(&rig, ALICE, "a").await;
    for id in [of_alice.device_id.as_str(), &"0".repeat(32)] {
        let update =
            v1::UpdateDeviceRequest { device_id: id.to_owned(), ..v1::UpdateDeviceRequest::default() };
        let refused = rig.push(BOB).update_device(update).await;
        expect_refusal(refused, Code::NotFound, "DEVICE_NOT_FOUND", None);
    }
    let request = v1::ListDevicesRequest { owner: jid_of(ALICE), ..v1::ListDevicesRequest::default() };
    let others = rig.push(BOB).list_devices(request).await;
    expect_refusal(others, Code::PermissionDenied, "PUSH_FORBIDDEN", None);
    let request = v1::ListDevicesRequest { page_token: "x".to_owned(), ..v1::ListDevicesRequest::default() };
    expect_refusal(rig.push(BOB).list_devices(request).await, invalid, "REQUEST_INVALID", Some("page_token"));
}

#[tokio::test]
async fn an_order_is_sent_once_and_its_jobs_are_followed() {
    let rig = Rig::start().await;
    let (of_bob, of_alice) = (register(&rig, BOB, "one").await, register(&rig, ALICE, "two").await);
    let order = v1::SendPushRequest { order_id: "7".to_owned(), ..order("hello", &[BOB, ALICE]) };
    let pushes = send(&rig, order.clone()).await;
    assert!(pushes.iter().all(|push| push.is_new && push.refusal.is_empty()), "{pushes:?}");
    let waiting = job(&rig, &pushes[0].job_id).await.unwrap();
    assert_eq!((waiting.state(), waiting.attempts), (v1::PushJobState::Waiting, 0));
    assert_eq!(
        waiting.message,
        order
            .message
            .clone()
            .map(|message| v1::PushMessage { urgency: v1::PushUrgency::Normal.into(), ..message })
    );
    let again = send(&rig, order.clone()).await;
    assert_eq!((again[0].is_new, &again[0].job_id), (false, &pushes[0].job_id));
    let of_admin = rig.push(ADMIN).send_push(order).await.unwrap().into_inner().pushes;
    assert!(of_admin[0].is_new, "names of orders are each sender's own");
    run(&rig).await;
    let delivered = job(&rig, &pushes[0].job_id).await.unwrap();
    assert_eq!(
        (delivered.state(), delivered.attempts, delivered.message),
        (v1::PushJobState::Delivered, 1, None)
    );
    let gone = v1::SendPushRequest {
        device_ids: vec![of_bob.device_id.clone(), "0".repeat(32), of_alice.device_id],
        owners: Vec::new(),
        ..self::order("hello", &[])
    };
    let some = send(&rig, gone).await;
    let refused: Vec<_> = some.iter().filter(|push| !push.is_new).collect();
    assert_eq!((some.len(), refused.len()), (3, 1));
    assert_eq!(
        (refused[0].device_id.clone(), refused[0].refusal.as_str()),
        ("0".repeat(32), "there is no such device")
    );
    let long = send(&rig, self::order("long", &[BOB])).await;
    assert!(long[0].refusal.contains("1 more than the 8 that may be"), "{long:?}");
}

#[tokio::test]
async fn jobs_are_cancelled_given_up_redriven_and_deleted() {
    let rig = Rig::start().await;
    register(&rig, BOB, "one").await;
    let cancelled = send(&rig, order("hello", &[BOB])).await.remove(0).job_id;
    let request = v1::CancelPushJobsRequest { job_ids: vec![cancelled.clone(), "0".repeat(32)] };
    let answer = rig.push(ALICE).cancel_push_jobs(request).await.unwrap().into_inner();
    assert_eq!(answer.cancelled_job_ids, std::slice::from_ref(&cancelled));
    expect_refusal(job(&rig, &cancelled).await, Code::NotFound, "PUSH_JOB_NOT_FOUND", None);

    let (first, second) =
        (send(&rig, order("refused", &[BOB])).await, send(&rig, order("refused", &[BOB])).await);
    let ids = vec![first[0].job_id.clone(), second[0].job_id.clone()];
    run(&rig).await;
    let dead = rig.push(ALICE).list_dead_push_jobs(v1::ListDeadPushJobsRequest::default()).await.unwrap();
    let dead = dead.into_inner().jobs;
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().all(|job| job.reason == "said_no" && job.state() == v1::PushJobState::Dead));
    let request = v1::RedriveDeadPushJobsRequest { job_ids: ids[..1].to_vec() };
    let redriven = rig.push(ALICE).redrive_dead_push_jobs(request).await.unwrap().into_inner();
    assert_eq!(redriven.redriven_job_ids, ids[..1]);
    let waiting = v1::ListPushJobsRequest {
        state: v1::PushJobState::Waiting.into(),
        ..v1::ListPushJobsRequest::default()
    };
    let page = rig.push(ALICE).list_push_jobs(waiting).await.unwrap().into_inner();
    assert_eq!(page.jobs.iter().map(|job| job.job_id.clone()).collect::<Vec<_>>(), ids[..1]);
    let request = v1::DeleteDeadPushJobsRequest { job_ids: ids.clone() };
    let deleted = rig.push(ALICE).delete_dead_push_jobs(request).await.unwrap().into_inner();
    assert_eq!(deleted.deleted_job_ids, ids[1..]);
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_named_and_only_senders_send() {
    let rig = Rig::start().await;
    register(&rig, BOB, "one").await;
    let mut push = rig.push(ALICE);
    let mut check = async |request: v1::SendPushRequest, reason: &str, field| {
        expect_refusal(push.send_push(request).await, Code::InvalidArgument, reason, field);
    };
    let good = order("hello", &[BOB]);
    let with = |message: v1::PushMessage| v1::SendPushRequest { message: Some(message), ..good.clone() };
    check(v1::SendPushRequest { message: None, ..good.clone() }, "REQUEST_INVALID", Some("message")).await;
    check(v1::SendPushRequest { owners: Vec::new(), ..good.clone() }, "REQUEST_INVALID", Some("owners"))
        .await;
    let ids = vec!["7".to_owned()];
    let both = v1::SendPushRequest { device_ids: ids.clone(), ..good.clone() };
    check(both.clone(), "REQUEST_INVALID", Some("owners")).await;
    let no_id = v1::SendPushRequest { owners: Vec::new(), ..both };
    check(no_id, "REQUEST_INVALID", Some("device_ids[0]")).await;
    let long = v1::SendPushRequest { order_id: "x".repeat(256), ..good.clone() };
    check(long, "REQUEST_INVALID", Some("order_id")).await;
    let key = v1::PushMessage { collapse_key: "a b".to_owned(), ..v1::PushMessage::default() };
    check(with(key), "PUSH_MESSAGE_INVALID", Some("message")).await;
    let kind = v1::PushMessage { apns_push_type: "loud".to_owned(), ..v1::PushMessage::default() };
    check(with(kind), "REQUEST_INVALID", Some("message.apns_push_type")).await;
    let urgency = v1::PushMessage { urgency: 99, ..v1::PushMessage::default() };
    check(with(urgency), "REQUEST_INVALID", Some("message.urgency")).await;
    for ttl in
        [prost_types::Duration { seconds: -1, nanos: 0 }, prost_types::Duration { seconds: 1, nanos: 5 }]
    {
        let ttl = v1::PushMessage { ttl: Some(ttl), ..v1::PushMessage::default() };
        check(with(ttl), "REQUEST_INVALID", Some("message.ttl")).await;
    }
    let forbidden = rig.push(BOB).send_push(good).await;
    expect_refusal(forbidden, Code::PermissionDenied, "PUSH_FORBIDDEN", None);
    let jobs = rig.push(BOB).list_push_jobs(v1::ListPushJobsRequest::default()).await;
    expect_refusal(jobs, Code::PermissionDenied, "PUSH_FORBIDDEN", None);
    let none = rig.push(ALICE).cancel_push_jobs(v1::CancelPushJobsRequest::default()).await;
    expect_refusal(none, Code::InvalidArgument, "REQUEST_INVALID", Some("job_ids"));
    let accounts = rig.push(BOB).list_push_accounts(v1::ListPushAccountsRequest {}).await.unwrap();
    let account = accounts.into_inner().accounts.remove(0);
    assert_eq!((account.provider.as_str(), account.name.as_str()), ("fcm", "default"));
    assert!(account.is_usable && !account.is_refused && account.subscription_key == "the-key");
}
