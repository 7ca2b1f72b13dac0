//! Messages that are no events: how a subscription stands now, and requests for approval.

use bus_domain::{BareJid, SubscriptionState};
use bus_engine::{Engine, IdSource, Notice, NoticeAbout};

use crate::authorization;
use crate::namespaces::PUBSUB_EVENT;
use crate::requests::ReplySender;
use crate::xml::Xml;

/// Sends notices for as long as it is polled. A link that is down loses them: they say what anybody can ask for.
pub async fn tell(engine: &Engine, service: &BareJid, replies: &impl ReplySender) {
    loop {
        let notice = engine.next_notice().await;
        // Tokens' principals have addresses of ours, at which nobody listens.
        if notice.to.domain() != service.domain() {
            replies.send(encode(service, &notice, engine.ids())).await;
        }
    }
}

fn encode(service: &BareJid, notice: &Notice, ids: &dyn IdSource) -> String {
    let Notice { node, to, about } = notice;
    let id = u128::from_le_bytes(ids.random_bytes());
    let mut out = Xml::default();
    out.start("message").attribute("from", service.as_str()).attribute("to", to.as_str());
    out.attribute("id", &format!("{id:032x}"));
    match about {
        NoticeAbout::State { jid, state } => {
            out.start_in("event", PUBSUB_EVENT).start("subscription");
            out.attribute("node", node.as_str()).attribute("jid", jid.as_str());
            out.attribute("subscription", state.map_or("none", SubscriptionState::as_str));
        }
        NoticeAbout::Approval(pending) => authorization::encode(node, pending, &mut out),
    }
    out.finish()
}
