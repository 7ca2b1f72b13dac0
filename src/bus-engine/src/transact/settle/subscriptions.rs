use std::sync::Arc;

use bus_domain::affiliate::{self, Approval};
use bus_domain::{
    AccessModel, Jid, NodeFacts, NodeId, Subscription, SubscriptionState, manage_subscriptions, subscribe,
};
use bus_store::{StoreError, Transaction};

use super::super::node_work::NodeWork;
use super::answer;
use crate::committer::EntryResult;
use crate::{Notice, NoticeAbout, Outcome};

pub(super) fn subscribe(
    work: &mut NodeWork,
    subscribing: &subscribe::Subscribing,
    existing: &subscribe::Existing,
) -> Option<EntryResult> {
    match subscribe::settle(subscribing, existing) {
        Err(error) => return Some(EntryResult::Refused(error)),
        Ok(subscribe::Settled::Already(there)) => return Some(answer(Outcome::Subscribed(there))),
        Ok(subscribe::Settled::Revived(there)) => {
            work.changes.recipients = true;
            work.subscription = Some(there);
        }
        Ok(subscribe::Settled::Approved(pending)) => approve(work, pending),
        Ok(subscribe::Settled::New) => work.begun.push((subscribing.jid.clone(), subscribing.state)),
    }
    None
}

/// What was pending ends, and another subscription begins where the log is now: nothing from before is due.
fn approve(work: &mut NodeWork, pending: Subscription) {
    work.begun.push((pending.jid.clone(), SubscriptionState::Subscribed));
    work.ended.push(pending);
}

/// New standings may say what becomes of those who wait for approval.
pub(super) async fn settle_pending(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    id: NodeId,
    change: &affiliate::Change,
) -> Result<(), StoreError> {
    let asks_owners = |facts: &Arc<NodeFacts>| facts.config.access_model == AccessModel::Authorize;
    if !work.facts.as_ref().is_some_and(asks_owners) {
        return Ok(());
    }
    for (jid, affiliation) in &change.entries {
        let Some(approval) = affiliate::settles_pending(*affiliation) else { continue };
        let of_bare = transaction.existing_subscriptions(id, jid).await?.of_bare;
        for pending in of_bare.into_iter().filter(|it| it.state == SubscriptionState::Pending) {
            tell(work, &pending, approval);
            match approval {
                Approval::Granted => approve(work, pending),
                Approval::Denied => work.ended.push(pending),
            }
        }
    }
    Ok(())
}

/// `Some` if there is nothing to change.
pub(super) fn manage(work: &mut NodeWork, managed: manage_subscriptions::Managed) -> Option<EntryResult> {
    let manage_subscriptions::Managed { ended, approved, added, rejected } = managed;
    if ended.is_empty() && approved.is_empty() && added.is_empty() {
        return Some(answer(Outcome::SubscriptionsManaged { rejected }));
    }
    for subscription in ended {
        tell(work, &subscription, Approval::Denied);
        work.ended.push(subscription);
    }
    for pending in approved {
        tell(work, &pending, Approval::Granted);
        approve(work, pending);
    }
    for jid in added {
        work.notices.extend(notice(work, &jid, Some(SubscriptionState::Subscribed)));
        work.begun.push((jid, SubscriptionState::Subscribed));
    }
    work.rejected_subscriptions = rejected;
    None
}

fn tell(work: &mut NodeWork, subscription: &Subscription, approval: Approval) {
    let state = match approval {
        Approval::Granted => Some(SubscriptionState::Subscribed),
        Approval::Denied => None,
    };
    work.notices.extend(notice(work, &subscription.jid, state));
}

fn notice(work: &NodeWork, jid: &Jid, state: Option<SubscriptionState>) -> Option<Notice> {
    let node = work.facts.as_ref()?.name.clone();
    Some(Notice { node, to: jid.clone(), about: NoticeAbout::State { jid: jid.clone(), state } })
}
