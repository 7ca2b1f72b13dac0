//! Pushes of XMPP servers, from the inlet to the provider.

use bus_domain::Jid;
use bus_domain::push::{Inlet, PushAlert, PushSummary};
use bus_engine::IncomingPush;

use super::*;

const OWNER: &str = "a@example.org";

impl Bus {
    async fn open_inlet(&self, token: &str) -> Inlet {
        let device = self.register(OWNER, token).await.unwrap();
        self.pushes.open_inlet(&user(OWNER), device.id).await.unwrap()
    }

    /// A push of the owner's server.
    async fn push_in(&self, inlet: &Inlet) -> Result<(), PushError> {
        let (from, secret) = (Jid::new("example.org").unwrap(), inlet.secret.to_string());
        let incoming = IncomingPush {
            inlet: Some(inlet.id),
            from: &from,
            secret: Some(&secret),
            summary: &PushSummary::default(),
            alert: &PushAlert::default(),
        };
        self.pushes.push_in(incoming).await.map(drop)
    }
}

#[tokio::test]
async fn what_a_server_was_answered_is_sent_after_a_kill() {
    let mut bus = Bus::new().await;
    let inlet = bus.open_inlet("1").await;
    bus.push_in(&inlet).await.unwrap();
    bus.restart();
    bus.run_until_sent(1).await;
    bus.push_in(&inlet).await.unwrap();
    bus.run_until_sent(1).await;
}

#[tokio::test]
async fn an_inlet_ends_when_its_device_is_found_gone() {
    let mut bus = Bus::new().await;
    let inlet = bus.open_inlet("1").await;
    let again = bus.open_inlet("1").await;
    assert_eq!(again, inlet, "the same device has the same inlet");
    bus.provider.say(PushVerdict::Gone { since_ms: None });
    bus.push_in(&inlet).await.unwrap();
    bus.run_until_sent(1).await;
    assert!(matches!(bus.push_in(&inlet).await, Err(PushError::NoSuchInlet)));
    let anew = bus.open_inlet("1").await;
    assert!(anew.id != inlet.id && anew.secret != inlet.secret);
}

#[tokio::test]
async fn an_account_that_waits_takes_pushes_and_a_full_queue_does_not() {
    let bus = Bus::new().await;
    let address = PushAddress::Fcm { token: "1".to_owned() };
    let account = Some(team_7().account);
    let registration = Registration { id: None, owner: jid(OWNER), address, account };
    let device = bus.pushes.register(&user(OWNER), registration).await.unwrap();
    let inlet = bus.pushes.open_inlet(&user(OWNER), device.id).await.unwrap();
    bus.push_in(&inlet).await.expect("its credentials can be mended");
    let limits = PushLimits { waiting_max: 0, ..PushLimits::default() };
    let sink = Arc::clone(&bus.provider) as Arc<dyn PushSink>;
    let settings = PushSettings { accounts: vec![sink.into()], limits, ..PushSettings::default() };
    let pushes =
        Pushes::new(Arc::clone(&bus.store) as _, settings, Arc::clone(&bus.clock) as _, Arc::new(SystemIds));
    let full = Bus { pushes, ..bus };
    assert!(matches!(full.push_in(&inlet).await, Err(PushError::QueueFull { .. })));
}

#[tokio::test]
async fn inlets_are_opened_and_closed_by_their_owners() {
    let bus = Bus::new().await;
    let inlet = bus.open_inlet("1").await;
    let device = bus.register(OWNER, "1").await.unwrap();
    let other = user("b@example.org");
    assert!(matches!(bus.pushes.open_inlet(&other, device.id).await, Err(PushError::NoSuchDevice)));
    let of_owner = bus.pushes.inlets(&other, &jid(OWNER), None, 9).await;
    assert!(matches!(of_owner, Err(PushError::Forbidden)));
    let seen = bus.pushes.inlets(&admin(), &jid(OWNER), None, 9).await.unwrap();
    assert_eq!(seen.iter().map(|found| &found.inlet).collect::<Vec<_>>(), [&inlet]);
}
