use bus_domain::collection::{FeedPosition, Links};
use bus_domain::{
    AccessModel, Affiliation, Event, EventKind, NodeConfig, NodeFacts, NodeId, NodeType, Source,
};
use bus_store::{EpochRenewal, Feed, FeedMove, Leg, NodeListing, RetainedNode, Store};

use crate::fixture::{Fixture, bare, events, jid, published};

const NEW: FeedPosition = FeedPosition { through_seq: 0, is_new: true, ends_at_seq: None };

struct Graph<'a> {
    store: &'a dyn Store,
    fixture: Fixture<'a>,
}

impl<'a> Graph<'a> {
    fn new(store: &'a dyn Store) -> Self {
        Self { store, fixture: Fixture::new(store) }
    }

    async fn collection(&self, name: &str) -> NodeFacts {
        let node = self.fixture.node(name).await;
        let config = NodeConfig { node_type: NodeType::Collection, ..node.config };
        let mut transaction = self.fixture.begin().await;
        transaction.put_config(node.id, &config).await.expect("put");
        transaction.commit().await.expect("commit");
        self.fixture.facts(name).await
    }

    async fn associate(&self, above: &NodeFacts, below: &NodeFacts) {
        let mut transaction = self.fixture.begin().await;
        transaction.lock_graph().await.expect("lock");
        let by = jid("owner@example.org");
        transaction.begin_association(above.id, below.id, &by).await.expect("begin");
        transaction.commit().await.expect("commit");
    }

    async fn dissociate(&self, above: &NodeFacts, below: &NodeFacts) -> bool {
        let mut transaction = self.fixture.begin().await;
        transaction.lock_graph().await.expect("lock");
        let by = jid("other@example.org");
        let was_there = transaction.end_association(above.id, below.id, &by).await.expect("end");
        transaction.commit().await.expect("commit");
        was_there
    }

    async fn move_feed(
        &self,
        (above, below): (&NodeFacts, &NodeFacts),
        from: FeedPosition,
        to: Option<FeedPosition>,
    ) -> bool {
        let mut transaction = self.fixture.begin().await;
        let step = FeedMove { collection: above.id, child: below.id, from, to };
        let moved = transaction.move_feed(&step).await.expect("move");
        transaction.commit().await.expect("commit");
        moved
    }

    async fn links(&self, above: &NodeFacts, below: &NodeFacts) -> Links {
        let mut transaction = self.fixture.begin().await;
        transaction.links(above.id, below.id).await.expect("links")
    }

    async fn neighbours(&self, node: &NodeFacts) -> (Vec<String>, Vec<String>) {
        let mut transaction = self.fixture.begin().await;
        let inside = transaction.neighbours(node.id).await.expect("neighbours");
        drop(transaction);
        let neighbours = self.store.neighbours_of(node.id).await.expect("neighbours");
        assert_eq!(inside, neighbours);
        let names = |all: Vec<bus_domain::collection::Neighbour>| {
            all.into_iter().map(|one| one.name.to_string()).collect::<Vec<_>>()
        };
        (names(neighbours.collections), names(neighbours.children))
    }

    async fn feeds(&self) -> Vec<Feed> {
        self.store.feeds(None, 99).await.expect("feeds")
    }

    async fn retained(&self, node: NodeId) -> RetainedNode {
        let page = self.store.retained(None, 99).await.expect("a page");
        page.nodes.into_iter().find(|one| one.node == node).expect("the node")
    }
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

pub async fn associations_are_seen_from_both_sides_until_they_end(store: &dyn Store) {
    let graph = Graph::new(store);
    let (above, other) = (graph.collection("above").await, graph.collection("other").await);
    let (b, a) = (graph.fixture.node("b").await, graph.fixture.node("a").await);
    for (collection, child) in [(&above, &b), (&above, &a), (&other, &b)] {
        graph.associate(collection, child).await;
    }
    assert_eq!(graph.neighbours(&above).await, (names(&[]), names(&["a", "b"])));
    assert_eq!(graph.neighbours(&b).await, (names(&["above", "other"]), names(&[])));
    let listing = NodeListing {
        viewer: bare("owner@example.org"),
        open_models: vec![AccessModel::Open],
        types: None,
        children_of: Some(above.id),
        after: None,
        nodes_max: 9,
    };
    let listed = store.list_nodes(listing).await.expect("a listing");
    assert_eq!(listed.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(graph.dissociate(&above, &b).await);
    assert!(!graph.dissociate(&above, &b).await, "it has ended");
    assert!(!graph.dissociate(&other, &a).await, "it never was");
    graph.fixture.delete(a.id).await;
    assert_eq!(graph.neighbours(&above).await, (names(&[]), names(&[])));
    assert_eq!(graph.neighbours(&b).await, (names(&["other"]), names(&[])));
}

pub async fn members_come_with_the_number_of_their_children(store: &dyn Store) {
    let graph = Graph::new(store);
    let (above, leaf) = (graph.collection("above").await, graph.fixture.node("leaf").await);
    graph.associate(&above, &leaf).await;
    let wanted = [above.name.clone(), leaf.name.clone(), bus_domain::NodeName::new("none").expect("a name")];
    let mut transaction = graph.fixture.begin().await;
    let mut members = transaction.members(&wanted, &bare("owner@example.org")).await.expect("members");
    members.sort_by(|one, other| one.name.cmp(&other.name));
    let seen = members.iter().map(|it| (it.id, it.affiliation, it.children));
    let expected = [(above.id, Affiliation::Owner, 1), (leaf.id, Affiliation::Owner, 0)];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert!(members[0].config.is_collection());
    let strangers = transaction.members(&wanted[..1], &bare("other@example.org")).await.expect("members");
    assert_eq!(strangers[0].affiliation, Affiliation::None);
}

pub async fn the_graph_says_what_an_association_would_make_of_it(store: &dyn Store) {
    let graph = Graph::new(store);
    let (top, middle, side) =
        (graph.collection("top").await, graph.collection("middle").await, graph.collection("side").await);
    let leaf = graph.fixture.node("leaf").await;
    graph.associate(&top, &middle).await;
    graph.associate(&middle, &leaf).await;
    graph.associate(&side, &leaf).await;
    let second_way = Links { is_second_way: true, ..Links::default() };
    let cycle = Links { is_cycle: true, is_second_way: true, ..Links::default() };
    let shape = |links: Links| Links { levels: 0, collections: 0, ..links };
    assert_eq!(shape(graph.links(&middle, &top).await), cycle);
    assert_eq!(shape(graph.links(&top, &top).await), cycle);
    assert_eq!(shape(graph.links(&top, &leaf).await), second_way);
    assert_eq!(shape(graph.links(&top, &side).await), second_way, "the leaf is below both");
    let free = graph.collection("free").await;
    // The leaf would have three above it beside this one, and the new one two.
    assert_eq!(graph.links(&free, &top).await, Links { levels: 3, collections: 4, ..Links::default() });
    assert_eq!(graph.links(&middle, &free).await, Links { levels: 2, collections: 2, ..Links::default() });
    graph.dissociate(&side, &leaf).await;
    assert_eq!(shape(graph.links(&top, &side).await), Links::default());
}

pub async fn a_feed_moves_only_from_where_it_was_seen(store: &dyn Store) {
    let graph = Graph::new(store);
    let (above, leaf) = (graph.collection("above").await, graph.fixture.node("leaf").await);
    graph.fixture.publish(leaf.id, &["before"], 1).await;
    graph.associate(&above, &leaf).await;
    graph.fixture.publish(leaf.id, &["behind"], 1).await;
    let both = (&above, &leaf);
    let [feed] = &graph.feeds().await[..] else { panic!("one feed") };
    let from = FeedPosition { through_seq: 1, ..NEW };
    assert_eq!((feed.collection, feed.child.id, feed.position, feed.head_seq), (above.id, leaf.id, from, 2));
    assert_eq!((&feed.collection_name, &feed.child.name), (&above.name, &leaf.name));
    assert_eq!((feed.child.epoch, feed.child.access_model), (leaf.epoch, AccessModel::Open));
    assert!(feed.is_behind());
    let to = FeedPosition { through_seq: 2, is_new: false, ends_at_seq: None };
    assert!(!graph.move_feed(both, NEW, Some(to)).await, "it is not there");
    assert!(graph.move_feed(both, from, Some(to)).await);
    assert!(!graph.move_feed(both, from, Some(to)).await, "somebody else has moved it");
    let feeds = store.feeds_of(&[leaf.id]).await.expect("feeds");
    assert!(feeds.len() == 1 && feeds[0].position == to && !feeds[0].is_behind());
    assert_eq!(store.feeds_of(&[above.id]).await.expect("feeds"), []);

    graph.dissociate(&above, &leaf).await;
    let ending = FeedPosition { ends_at_seq: Some(2), ..to };
    let feeds = graph.feeds().await;
    assert_eq!((feeds[0].position, feeds[0].child.changed_by.as_str()), (ending, "other@example.org"));
    assert!(!graph.move_feed(both, to, None).await, "it goes on to its end");
    graph.associate(&above, &leaf).await;
    assert!(!graph.move_feed(both, ending, None).await, "it has no end any more");
    graph.dissociate(&above, &leaf).await;
    assert!(graph.move_feed(both, ending, None).await);
    assert_eq!(graph.feeds().await, []);
}

pub async fn feeds_are_paged_by_child(store: &dyn Store) {
    let graph = Graph::new(store);
    let (one, two) = (graph.collection("one").await, graph.collection("two").await);
    let (a, b) = (graph.fixture.node("a").await, graph.fixture.node("b").await);
    for (collection, child) in [(&two, &b), (&two, &a), (&one, &a)] {
        graph.associate(collection, child).await;
    }
    let mut after = None;
    let mut found = Vec::new();
    while let [feed] = &store.feeds(after, 1).await.expect("a page")[..] {
        after = Some((feed.child.id, feed.collection));
        found.push((feed.child.name.to_string(), feed.collection_name.to_string()));
    }
    let expected = [("a", "one"), ("a", "two"), ("b", "two")];
    assert_eq!(found, expected.map(|(child, collection)| (child.to_owned(), collection.to_owned())));
    let mut transaction = graph.fixture.begin().await;
    transaction.remove_children(two.id).await.expect("remove");
    transaction.commit().await.expect("commit");
    assert_eq!(graph.feeds().await.len(), 1);
}

pub async fn a_node_waits_for_its_feeds(store: &dyn Store) {
    let graph = Graph::new(store);
    let (above, leaf) = (graph.collection("above").await, graph.fixture.node("leaf").await);
    graph.associate(&above, &leaf).await;
    graph.fixture.publish(leaf.id, &["a", "b"], 1).await;
    deliver(store, leaf.id, 2).await;
    assert_eq!(graph.retained(leaf.id).await.log.delivered_through_seq, 0);
    let to = FeedPosition { through_seq: 1, is_new: false, ends_at_seq: None };
    graph.move_feed((&above, &leaf), NEW, Some(to)).await;
    assert_eq!(graph.retained(leaf.id).await.log.delivered_through_seq, 1);
    graph.fixture.delete(leaf.id).await;
    deliver(store, leaf.id, 3).await;
    assert_eq!(store.reap_deleted(100).await.expect("reap"), 0, "the collection has not heard of it");
    assert!(graph.move_feed((&above, &leaf), to, None).await);
    assert!(store.reap_deleted(100).await.expect("reap") > 0);
}

async fn deliver(store: &dyn Store, node: NodeId, through_seq: u64) {
    let to = bus_store::Position::behind(through_seq);
    store.move_cursors(Leg::Xmpp, &[bus_store::CursorMove { node, epoch: None, to }]).await.expect("move");
}

pub async fn a_feed_is_set_back_with_its_child(store: &dyn Store) {
    let graph = Graph::new(store);
    let (above, leaf) = (graph.collection("above").await, graph.fixture.node("leaf").await);
    graph.associate(&above, &leaf).await;
    graph.fixture.publish(leaf.id, &["a", "b", "c"], 1).await;
    let to = FeedPosition { through_seq: 3, is_new: false, ends_at_seq: None };
    graph.move_feed((&above, &leaf), NEW, Some(to)).await;
    graph.dissociate(&above, &leaf).await;
    let mut transaction = graph.fixture.begin().await;
    let renewal = EpochRenewal { node: leaf.id, epoch: bus_domain::Epoch(5), last_seq: 2 };
    transaction.renew_epochs(&[renewal]).await.expect("renew");
    transaction.commit().await.expect("commit");
    let position = FeedPosition { through_seq: 2, is_new: false, ends_at_seq: Some(2) };
    assert_eq!(graph.feeds().await[0].position, position);
}

pub async fn a_savepoint_takes_back_what_came_behind_it(store: &dyn Store) {
    let graph = Graph::new(store);
    let (above, leaf) = (graph.collection("above").await, graph.fixture.node("leaf").await);
    let mut transaction = graph.fixture.begin().await;
    transaction.put_config(leaf.id, &NodeConfig { items_max: 7, ..leaf.config.clone() }).await.expect("put");
    transaction.savepoint().await.expect("a savepoint");
    transaction.lock_graph().await.expect("lock");
    let by = jid("owner@example.org");
    transaction.begin_association(above.id, leaf.id, &by).await.expect("begin");
    transaction.undo_to_savepoint().await.expect("undo");
    transaction.commit().await.expect("commit");
    assert_eq!(graph.feeds().await, []);
    assert_eq!(graph.fixture.facts("leaf").await.config.items_max, 7);
}

pub async fn events_of_collections_come_back_as_they_were_appended(store: &dyn Store) {
    let graph = Graph::new(store);
    let node = graph.collection("above").await.id;
    let source = |distance| {
        Box::new(Source {
            node: NodeId(77),
            name: bus_domain::NodeName::new("leaf '\"<>").expect("a name"),
            distance,
            epoch: bus_domain::Epoch(u64::MAX),
            seq: 9,
            published_at_ms: 4,
            access_model: AccessModel::Whitelist,
        })
    };
    let forwarded = |kind| EventKind::Forwarded { source: source(2), kind: Box::new(kind) };
    let kinds = [
        EventKind::Associated { child: source(1) },
        EventKind::Dissociated { child: source(1) },
        forwarded(published(1, "item", 9, 0).kind),
        forwarded(EventKind::Deleted { redirect: None }),
        forwarded(EventKind::Associated { child: source(1) }),
    ];
    let logged: Vec<Event> =
        (1..).zip(kinds).map(|(seq, kind)| Event { kind, ..published(seq, "x", 0, seq - 1) }).collect();
    let mut transaction = graph.fixture.begin().await;
    crate::fixture::advance(&mut *transaction, events(node, logged.len() as u64)).await;
    let rows: Vec<_> = logged.iter().map(|event| (node, event.clone())).collect();
    transaction.append_events(&rows).await.expect("append");
    transaction.commit().await.expect("commit");
    assert_eq!(store.events_after(node, 0, 9, 999).await.expect("a page"), logged);
}
