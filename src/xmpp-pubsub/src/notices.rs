//! Messages that are no events: how a subscription stands now, and requests for approval.

use bus_domain::{BareJid, Jid, SubscriptionState};
use bus_engine::{Engine, IdSource, Notice, NoticeAbout};

use crate::authorization;
use crate::namespaces::PUBSUB_EVENT;
use crate::notify::encode_last_item;
use crate::requests::ReplySender;
use crate::subscribe::encode_name;
use crate::xml::Xml;

/// Sends notices for as long as it is polled. A link that is down loses them: they say what anybody can ask for.
pub async fn tell(engine: &Engine, service: &BareJid, replies: &impl ReplySender) {
    loop {
        let notice = engine.next_notice().await;
        for to in readers(engine, service, &notice) {
            let message = match &notice.about {
                NoticeAbout::LastItem(last_item) => {
                    encode_last_item(service, engine.event_ids(), engine.ids(), last_item)
                }
                _ => encode(service, &to, &notice, engine.ids()),
            };
            if message.len() <= replies.stanza_bytes_max() {
                replies.send(vec![message]).await;
            }
        }
    }
}

/// Who reads a notice. Tokens' principals have addresses of ours, at which nobody does: what such an owner is asked, the
/// operator's admins are asked in its place, who count as owners too.
fn readers(engine: &Engine, service: &BareJid, notice: &Notice) -> Vec<Jid> {
    if notice.to.domain() != service.domain() {
        return vec![notice.to.clone()];
    }
    match notice.about {
        NoticeAbout::Approval(_) => engine.settings().admins.iter().cloned().map(Jid::from).collect(),
        NoticeAbout::State { .. } | NoticeAbout::LastItem(_) => Vec::new(),
    }
}

fn encode(service: &BareJid, to: &Jid, notice: &Notice, ids: &dyn IdSource) -> String {
    let Notice { node, about, .. } = notice;
    let id = u128::from_le_bytes(ids.random_bytes());
    let mut out = Xml::default();
    out.start("message").attribute("from", service.as_str()).attribute("to", to.as_str());
    out.attribute("id", &format!("{id:032x}"));
    match about {
        NoticeAbout::State { jid, sub_id, state } => {
            out.start_in("event", PUBSUB_EVENT).start("subscription");
            out.attribute("node", node.as_str());
            encode_name(jid, *sub_id, &mut out);
            out.attribute("subscription", state.map_or("none", SubscriptionState::as_str));
        }
        NoticeAbout::Approval(pending) => authorization::encode(node, pending, &mut out),
        // Written as the event that it is.
        NoticeAbout::LastItem(_) => {}
    }
    out.finish()
}
