use bridge_grpc::v1;
use bridge_grpc::v1::push_audience::To;
use prost_types::Duration;
use tonic::Code;

use crate::push::register;
use crate::rig::{ADMIN, ALICE, BOB, Rig, expect_refusal, jid_of};

fn text(text: &str) -> v1::PushTexts {
    v1::PushTexts { title: Some(text.to_owned()), body: None }
}

/// With everything that there is, so that all of it has to come back.
fn whole() -> v1::PushProfileConfig {
    v1::PushProfileConfig {
        nodes: vec!["orders.*".to_owned(), "n".to_owned()],
        audience: Some(v1::PushAudience { to: Some(To::List(v1::PushList { jids: vec![jid_of(BOB)] })) }),
        when: v1::PushWhen::Away.into(),
        template: Some(v1::PushTemplate {
            texts: Some(text("Order {data.order.id|?}")),
            locales: [("de".to_owned(), text("Bestellung {{{xml.order.@id}}}"))].into(),
            data: [("node".to_owned(), "{node}".to_owned())].into(),
            fallback: Some(text("Something about {node|a node}")),
        }),
        collapse_key: "{event.subject}".to_owned(),
        ttl: Some(Duration { seconds: 60, nanos: 0 }),
        urgency: v1::PushProfileUrgency::High.into(),
        quiet_hours: Some(v1::PushQuietHours {
            from_minute: 1_320,
            to_minute: 360,
            utc_offset_minutes: -60,
            drop: true,
        }),
        coalesce: Some(Duration { seconds: 1, nanos: 500_000_000 }),
    }
}

fn for_subscribers(node: &str) -> v1::PushProfileConfig {
    let audience = Some(v1::PushAudience { to: Some(To::Subscribers(true)) });
    v1::PushProfileConfig { nodes: vec![node.to_owned()], audience, ..whole() }
}

fn create(name: &str, config: v1::PushProfileConfig) -> v1::CreatePushProfileRequest {
    v1::CreatePushProfileRequest { name: name.to_owned(), config: Some(config) }
}

fn get(name: &str) -> v1::GetPushProfileRequest {
    v1::GetPushProfileRequest { name: name.to_owned() }
}

#[tokio::test]
async fn a_profile_comes_back_as_it_was_made_until_it_is_changed_and_removed() {
    let rig = Rig::start().await;
    let made = rig.push_profiles(ADMIN).create_push_profile(create("p", whole())).await.unwrap();
    let made = made.into_inner().profile.unwrap();
    assert_eq!(
        (made.name.as_str(), made.owner.clone(), made.config.clone()),
        ("p", jid_of(ADMIN), Some(whole()))
    );
    assert!(made.create_time.is_some() && made.failed_events == 0 && made.last_failure.is_empty());
    let found = rig.push_profiles(ADMIN).get_push_profile(get("p")).await.unwrap().into_inner().profile;
    assert_eq!(found, Some(made));
    let other = v1::PushProfileConfig { quiet_hours: None, when: v1::PushWhen::Always.into(), ..whole() };
    let update = v1::UpdatePushProfileRequest { name: "p".to_owned(), config: Some(other.clone()) };
    let updated = rig.push_profiles(ADMIN).update_push_profile(update).await.unwrap().into_inner().profile;
    assert_eq!(updated.unwrap().config, Some(other));
    let delete = || v1::DeletePushProfileRequest { name: "p".to_owned() };
    rig.push_profiles(ADMIN).delete_push_profile(delete()).await.unwrap();
    let gone = rig.push_profiles(ADMIN).delete_push_profile(delete()).await;
    expect_refusal(gone, Code::NotFound, "PUSH_PROFILE_NOT_FOUND", None);
}

#[tokio::test]
async fn profiles_are_listed_for_who_has_made_them_and_for_admins() {
    let rig = Rig::start().await;
    rig.create("n").await;
    rig.push_profiles(ALICE).create_push_profile(create("b", for_subscribers("n"))).await.unwrap();
    for name in ["a", "c"] {
        rig.push_profiles(ADMIN).create_push_profile(create(name, whole())).await.unwrap();
    }
    for (who, expected) in [(ADMIN, &["a", "b", "c"][..]), (ALICE, &["b"]), (BOB, &[])] {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = v1::ListPushProfilesRequest { page_size: 2, page_token };
            let page = rig.push_profiles(who).list_push_profiles(request).await.unwrap().into_inner();
            found.extend(page.profiles.into_iter().map(|profile| profile.name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(found, expected, "{who}");
    }
    let request = v1::ListPushProfilesRequest { page_size: 0, page_token: "!".to_owned() };
    let refused = rig.push_profiles(ADMIN).list_push_profiles(request).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("page_token"));
    let of_another = rig.push_profiles(BOB).get_push_profile(get("b")).await;
    expect_refusal(of_another, Code::NotFound, "PUSH_PROFILE_NOT_FOUND", None);
}

#[tokio::test]
async fn who_may_not_have_a_profile_hears_why() {
    let rig = Rig::start().await;
    rig.create("n").await;
    let refused = rig.push_profiles(ALICE).create_push_profile(create("p", whole())).await;
    expect_refusal(refused, Code::PermissionDenied, "ADMIN_REQUIRED_FOR_PUSH_PROFILE", None);
    let refused = rig.push_profiles(BOB).create_push_profile(create("p", for_subscribers("n"))).await;
    expect_refusal(refused, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    let refused = rig.push_profiles(ALICE).create_push_profile(create("p", for_subscribers("none"))).await;
    expect_refusal(refused, Code::NotFound, "NODE_NOT_FOUND", None);
    rig.push_profiles(ALICE).create_push_profile(create("p", for_subscribers("n"))).await.unwrap();
    let refused = rig.push_profiles(ADMIN).create_push_profile(create("p", whole())).await;
    expect_refusal(refused, Code::AlreadyExists, "PUSH_PROFILE_EXISTS", None);
    let memory = v1::NodeConfig { durability: v1::Durability::Memory.into(), ..v1::NodeConfig::default() };
    rig.create_with("memory", memory).await;
    let refused = rig.push_profiles(ALICE).create_push_profile(create("q", for_subscribers("memory"))).await;
    expect_refusal(refused, Code::InvalidArgument, "PUSH_PROFILE_INVALID", None);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_field() {
    let rig = Rig::start().await;
    let with = |change: fn(&mut v1::PushProfileConfig)| {
        let mut config = whole();
        change(&mut config);
        config
    };
    for (config, field) in [
        (with(|it| it.nodes = vec!["\u{0}".to_owned()]), "config.nodes[0]"),
        (with(|it| it.audience = None), "config.audience"),
        (
            with(|it| it.audience = Some(v1::PushAudience { to: Some(To::Topic("a b".to_owned())) })),
            "config.audience.topic",
        ),
        (with(|it| it.when = 0), "config.when"),
        (with(|it| it.when = 9), "config.when"),
        (with(|it| it.urgency = 9), "config.urgency"),
        (with(|it| it.template = None), "config.template"),
        (with(|it| it.template.as_mut().unwrap().texts = Some(text("{"))), "config.template.texts.title"),
        (
            with(|it| drop(it.template.as_mut().unwrap().data.insert("k".into(), "{x}".into()))),
            "config.template.data[k]",
        ),
        (with(|it| it.collapse_key = "}".to_owned()), "config.collapse_key"),
        (with(|it| it.ttl = Some(Duration { seconds: -1, nanos: 0 })), "config.ttl"),
        (with(|it| it.quiet_hours.as_mut().unwrap().from_minute = 70_000), "config.quiet_hours.from_minute"),
    ] {
        let refused = rig.push_profiles(ADMIN).create_push_profile(create("p", config)).await;
        expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some(field));
    }
    let refused = rig.push_profiles(ADMIN).create_push_profile(create("a b", whole())).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("name"));
    for config in [
        with(|it| it.ttl = Some(Duration { seconds: 2_419_201, nanos: 0 })),
        with(|it| it.quiet_hours.as_mut().unwrap().to_minute = 1_320),
        with(|it| it.template.as_mut().unwrap().fallback = Some(text("{event.subject}"))),
    ] {
        let refused = rig.push_profiles(ADMIN).create_push_profile(create("p", config)).await;
        expect_refusal(refused, Code::InvalidArgument, "PUSH_PROFILE_INVALID", None);
    }
}

#[tokio::test]
async fn preferences_are_of_devices_that_are_there() {
    let rig = Rig::start().await;
    let request = |device_id: &str, locale: &str, topic: &str| v1::SetDevicePreferencesRequest {
        device_id: device_id.to_owned(),
        locale: locale.to_owned(),
        topics: vec![topic.to_owned()],
    };
    let device = register(&rig, BOB, "token").await.device_id;
    rig.push_profiles(ADMIN).set_device_preferences(request(&device, "de_AT", "news")).await.unwrap();
    for (request, field) in [
        (request("7", "", "t"), "device_id"),
        (request(&device, "no tag", "t"), "locale"),
        (request(&device, "", "a b"), "topics[0]"),
    ] {
        let refused = rig.push_profiles(ADMIN).set_device_preferences(request).await;
        expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some(field));
    }
    let unknown = rig.push_profiles(ADMIN).set_device_preferences(request(&"0".repeat(32), "", "t")).await;
    expect_refusal(unknown, Code::NotFound, "PUSH_PROFILE_DEVICE_NOT_FOUND", None);
}
