use bus_domain::consumer::redrive;
use bus_domain::{
    Actor, Affiliation, BareJid, Durability, Epoch, Event, ItemId, Jid, NodeConfig, NodeId, NodeName,
    Payload, RedirectUri, Seq, Setting, Subscription, SubscriptionState, affiliate, collection, expire,
    manage_subscriptions, options, park, publish, retract, subscribe, unsubscribe,
};

use crate::{DeliveryNode, Sourced};

/// Something that an actor wants changed on a node. Every leg makes these, and the committer carries them out.
#[derive(Debug, Clone)]
pub struct Command {
    /// Who asks, as authenticated.
    pub actor: Actor,
    /// On which node.
    pub node: NodeName,
    /// What.
    pub verb: Verb,
}

/// What an actor wants. One file in bus-domain decides each.
#[derive(Debug, Clone)]
pub enum Verb {
    /// Make the node.
    Create(NodeConfig),
    /// The same, among these nodes (XEP-0248).
    CreateAmong(NodeConfig, Box<collection::Placement>),
    /// Change fields of the node's configuration.
    Configure(Vec<Setting>),
    /// The same, and which nodes it is among.
    ConfigureAmong(Vec<Setting>, Box<collection::Placement>),
    /// Have the node, a collection, take one more child.
    Associate(NodeName),
    /// Have it do without a child.
    Dissociate(NodeName),
    /// Have a collection take what its child has published. The bus itself asks for it, and nobody else.
    Forward(collection::Forwarding),
    /// End the node, and say where it is from now on.
    Delete(Option<RedirectUri>),
    /// End the node, because that one is gone which it points at. The bus itself asks for it, and nobody else.
    DeleteOrphan(NodeId),
    /// Publish items.
    Publish(publish::Request),
    /// Take items back.
    Retract(retract::Request),
    /// Remove all items.
    Purge,
    /// Remove all items if the newest one is this account's, which has gone. The bus itself asks for it, and nobody else.
    PurgeBehind(BareJid),
    /// Have events sent to an address.
    Subscribe(subscribe::Request),
    /// Have no more events sent to an address.
    Unsubscribe(unsubscribe::Unsubscribing),
    /// Change the options of a subscription.
    SetOptions(options::Request),
    /// Change standings.
    Affiliate(affiliate::Request),
    /// Change the subscriptions of others.
    ManageSubscriptions(manage_subscriptions::Request),
    /// Have no events sent to an address that has failed for long. Delivery itself asks for it, and nobody else.
    Park(park::Parking),
    /// Publish a dead letter, whose event is settled with it. The bus itself asks for it, and nobody else.
    DeadLetter(Box<redrive::DeadLetter>),
    /// Publish what a source has sent, with the token that moves. The bus itself asks for it, and nobody else.
    PublishSourced(Box<Sourced>),
    /// Take dead letters back, whose events are handed out again with it.
    Redrive(Box<redrive::Redrive>),
    /// End a subscription whose lease is over. The bus itself asks for it, and nobody else.
    Expire(expire::Expiry),
}

/// What a command that was carried out has led to. It is on disk, except for publishes on nodes that promise less
/// ([`Published::durability`]).
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The node exists now.
    Created(Created),
    /// The node behaves like this now.
    Configured(NodeConfig),
    /// The node has the child now, or no longer.
    Placed,
    /// The collection has taken what was forwarded.
    Forwarded,
    /// The node is gone.
    Deleted,
    /// The items are in the log.
    Published(Published),
    /// The items are gone.
    Retracted,
    /// All items are gone.
    Purged,
    /// The address is subscribed, newly or already.
    Subscribed {
        /// How.
        subscription: Subscription,
        /// What it is sent to begin with.
        last_item: Option<Box<LastItem>>,
    },
    /// The address was subscribed like this, and is no longer.
    Unsubscribed(Subscription),
    /// The options hold.
    OptionsSet,
    /// The standings hold.
    Affiliated {
        /// Those that cannot be, and what holds instead.
        rejected: Vec<(BareJid, Affiliation)>,
    },
    /// The subscriptions are as wanted.
    SubscriptionsManaged {
        /// Those that cannot be so, and how they are (`None`: not subscribed).
        rejected: Vec<(Jid, Option<SubscriptionState>)>,
    },
    /// Nothing is sent to this subscription until its subscriber shows up.
    Parked(Subscription),
    /// This subscription has ended by itself.
    Expired(Subscription),
}

/// The newest item of a node, for who has become a subscriber.
#[derive(Debug, Clone, PartialEq)]
pub struct LastItem {
    /// The node.
    pub node: DeliveryNode,
    /// Whose it is.
    pub subscription: Subscription,
    /// The item's newest event.
    pub event: Event,
}

/// A new node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The life of its log.
    pub epoch: Epoch,
    /// How it behaves, which may be less than was asked for.
    pub config: NodeConfig,
}

/// Published items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The life of the log in which the positions count.
    pub epoch: Epoch,
    /// The position of the first item; the others follow one by one.
    pub first_seq: Seq,
    /// The items' ids, given or generated, in the order of the request.
    pub item_ids: Vec<ItemId>,
    /// What holds by now.
    pub durability: Durability,
    /// Whether this was done before, when the same request came first.
    pub duplicate: bool,
}

const ENTRY_BYTES: usize = 96;

impl Command {
    /// About how many bytes the command takes while it waits; for bounds.
    pub fn weight_bytes(&self) -> usize {
        const FIXED_BYTES: usize = 256;
        let variable = match &self.verb {
            Verb::Publish(request) => {
                let items = request.items.iter().map(|item| {
                    let id_bytes = item.id.as_ref().map_or(0, |id| id.as_str().len());
                    ENTRY_BYTES + id_bytes + item.payload.as_ref().map_or(0, Payload::len_bytes)
                });
                let settings = request.preconditions.iter().map(|it| ENTRY_BYTES + it.weight_bytes());
                let once = request.once.iter().map(|once| ENTRY_BYTES + once.key.as_str().len());
                items.chain(settings).chain(once).sum()
            }
            Verb::Retract(request) => {
                request.item_ids.iter().map(|id| ENTRY_BYTES + id.as_str().len()).sum::<usize>()
            }
            Verb::ManageSubscriptions(request) => {
                request.entries.iter().map(|it| ENTRY_BYTES + it.weight_bytes()).sum::<usize>()
            }
            Verb::Affiliate(request) => {
                request.entries.iter().map(|(jid, _)| ENTRY_BYTES + jid.as_str().len()).sum::<usize>()
            }
            Verb::Configure(settings) => of_settings(settings),
            Verb::ConfigureAmong(settings, placement) => of_settings(settings) + of_placement(placement),
            Verb::Create(config) => config.about.weight_bytes(),
            Verb::CreateAmong(config, placement) => config.about.weight_bytes() + of_placement(placement),
            Verb::Associate(child) | Verb::Dissociate(child) => child.as_str().len(),
            Verb::Forward(forwarding) => {
                let payload = |it: &collection::Forwarded| it.kind.payload().map_or(0, Payload::len_bytes);
                forwarding.events.iter().map(|it| ENTRY_BYTES + payload(it)).sum::<usize>()
            }
            Verb::Subscribe(request) => request.options.len() * ENTRY_BYTES,
            Verb::SetOptions(request) => {
                ENTRY_BYTES
                    + request.settings.len() * ENTRY_BYTES
                    + request.sub_id.as_ref().map_or(0, String::len)
            }
            Verb::Unsubscribe(request) => ENTRY_BYTES + request.sub_id.as_ref().map_or(0, String::len),
            Verb::Delete(redirect) => redirect.as_ref().map_or(0, |uri| uri.as_str().len()),
            Verb::DeadLetter(letter) => ENTRY_BYTES + letter.payload.len_bytes(),
            Verb::PublishSourced(sourced) => {
                let bytes = |item: &publish::NewItem| item.payload.as_ref().map_or(0, Payload::len_bytes);
                sourced.items.iter().map(|item| ENTRY_BYTES + bytes(item)).sum::<usize>()
            }
            Verb::Redrive(redrive) => {
                redrive.letters.iter().map(|it| ENTRY_BYTES + it.item_id.as_str().len()).sum::<usize>()
            }
            Verb::Purge | Verb::PurgeBehind(_) | Verb::Park(_) | Verb::Expire(_) | Verb::DeleteOrphan(_) => 0,
        };
        FIXED_BYTES + self.actor.jid().as_str().len() + self.node.as_str().len() + variable
    }
}

fn of_settings(settings: &[Setting]) -> usize {
    settings.iter().map(|setting| ENTRY_BYTES + setting.weight_bytes()).sum()
}

fn of_placement(placement: &collection::Placement) -> usize {
    let related = [&placement.relation.link, &placement.relation.parent].into_iter().flatten().flatten();
    let names = placement.collections.iter().chain(&placement.children).flatten().chain(related);
    names.map(|name| ENTRY_BYTES + name.as_str().len()).sum()
}
