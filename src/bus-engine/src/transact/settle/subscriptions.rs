use std::collections::HashMap;

use bus_domain::affiliate::{self, Approval};
use bus_domain::{
    BareJid, BusError, Jid, NodeId, Subscription, SubscriptionState, manage_subscriptions, subscribe,
};
use bus_store::{StoreError, Transaction};

use super::super::node_work::NodeWork;
use super::super::subscriptions::ask_owners;
use super::answer;
use crate::committer::EntryResult;
use crate::{Notice, NoticeAbout, Outcome};

pub(super) fn subscribe(
    work: &mut NodeWork,
    subscribing: &subscribe::Subscribing,
    existing: &subscribe::Existing,
) -> Option<EntryResult> {
    match subscribe::settle(subscribing, existing) {
        Err(error) => {
            if error == BusError::SubscriptionPending {
                ask_again(work, subscribing, existing);
            }
            return Some(EntryResult::Refused(error));
        }
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

/// The owners may not have got the request, or may have lost it.
fn ask_again(work: &mut NodeWork, subscribing: &subscribe::Subscribing, existing: &subscribe::Existing) {
    let pending = existing.of_bare.iter().find(|it| it.jid == subscribing.jid);
    if let (Some(facts), Some(pending)) = (&work.facts, pending) {
        work.notices.extend(ask_owners(facts, pending));
    }
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
    let entries = change.entries.iter();
    let approvals: HashMap<BareJid, Approval> = entries
        .filter_map(|(jid, affiliation)| Some((jid.clone(), affiliate::settles_pending(*affiliation)?)))
        .collect();
    if approvals.is_empty() {
        return Ok(());
    }
    let subscribers: Vec<_> = approvals.keys().cloned().collect();
    let subscriptions = transaction.subscriptions_among(id, &subscribers).await?;
    for pending in subscriptions.into_iter().filter(|it| it.state == SubscriptionState::Pending) {
        let Some(approval) = approvals.get(&pending.jid.to_bare()) else { continue };
        tell(work, &pending, *approval);
        match approval {
            Approval::Granted => approve(work, pending),
            Approval::Denied => work.ended.push(pending),
        }
    }
    Ok(())
}

/// `Some` if there is nothing to change.
pub(super) async fn manage(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    id: NodeId,
    managing: &manage_subscriptions::Managing,
) -> Result<Option<EntryResult>, StoreError> {
    let subscribers: Vec<_> = managing.entries.iter().map(|(jid, _)| jid.to_bare()).collect();
    let existing = transaction.subscriptions_among(id, &subscribers).await?;
    let in_all = match subscribers.first().filter(|_| managing.may_add) {
        Some(first) => transaction.existing_subscriptions(id, first).await?.in_all,
        None => 0,
    };
    let managed = manage_subscriptions::settle(managing, &existing, in_all);
    let manage_subscriptions::Managed { ended, approved, added, rejected } = managed;
    if ended.is_empty() && approved.is_empty() && added.is_empty() {
        return Ok(Some(answer(Outcome::SubscriptionsManaged { rejected })));
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
    Ok(None)
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
