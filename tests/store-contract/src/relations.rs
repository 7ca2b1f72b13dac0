use bus_domain::relation::{Orphan, Subtree};
use bus_domain::{NodeFacts, NodeId, Relation, RelationKind};
use bus_store::{CursorMove, Leg, Position, Store};

use crate::fixture::{Fixture, bare};

struct Tree<'a> {
    store: &'a dyn Store,
    fixture: Fixture<'a>,
    top: NodeFacts,
    child: NodeFacts,
    linking: NodeFacts,
}

impl<'a> Tree<'a> {
    /// A node, one below it, and one that is linked to that.
    async fn new(store: &'a dyn Store) -> Self {
        let fixture = Fixture::new(store);
        let [top, child, linking] =
            [fixture.node("top").await, fixture.node("child").await, fixture.node("linking").await];
        let tree = Self { store, fixture, top, child, linking };
        tree.point(tree.child.id, Some((RelationKind::Parent, tree.top.id))).await;
        tree.point(tree.linking.id, Some((RelationKind::Link, tree.child.id))).await;
        tree
    }

    async fn point(&self, node: NodeId, at: Option<(RelationKind, NodeId)>) {
        let mut transaction = self.fixture.begin().await;
        transaction.lock_graph().await.expect("lock");
        transaction.point(node, at).await.expect("point");
        transaction.commit().await.expect("commit");
    }

    async fn above(&self, node: NodeId, relations_max: u32) -> Vec<Relation> {
        self.fixture.begin().await.relations_above(node, relations_max).await.expect("relations")
    }

    async fn subtree(&self, node: NodeId, nodes_max: u32) -> (u32, u32) {
        let found = self.fixture.begin().await.subtree(node, nodes_max).await.expect("a subtree");
        let Subtree { nodes, levels } = found;
        (nodes, levels)
    }

    async fn versions(&self) -> [u64; 3] {
        let mut transaction = self.fixture.begin().await;
        let mut versions = [0; 3];
        for (version, node) in versions.iter_mut().zip([&self.top, &self.child, &self.linking]) {
            *version = transaction.rules_version(node.id).await.expect("a version").expect("a node");
        }
        versions
    }

    async fn orphans(&self, after: Option<NodeId>) -> Vec<Orphan> {
        self.store.orphans(after, 9).await.expect("orphans")
    }
}

fn relation(kind: RelationKind, to: &NodeFacts) -> Relation {
    Relation { kind, node: to.id, name: to.name.clone() }
}

pub async fn what_is_above_and_below_a_node_is_found_level_by_level(store: &dyn Store) {
    let tree = Tree::new(store).await;
    let [to_child, to_top] =
        [relation(RelationKind::Link, &tree.child), relation(RelationKind::Parent, &tree.top)];
    assert_eq!(tree.above(tree.linking.id, 9).await, [to_child.clone(), to_top.clone()]);
    assert_eq!(tree.above(tree.linking.id, 1).await, [to_child]);
    assert_eq!(tree.above(tree.top.id, 9).await, []);
    assert_eq!(tree.subtree(tree.top.id, 9).await, (2, 2));
    assert_eq!(tree.subtree(tree.top.id, 1).await.0, 1, "no further");
    assert_eq!(tree.subtree(tree.linking.id, 9).await, (0, 0));
    tree.point(tree.linking.id, Some((RelationKind::Parent, tree.top.id))).await;
    assert_eq!(tree.above(tree.linking.id, 9).await, [to_top]);
    assert_eq!(tree.subtree(tree.top.id, 9).await, (2, 1));
    tree.point(tree.linking.id, None).await;
    assert_eq!(tree.above(tree.linking.id, 9).await, []);
}

pub async fn rules_move_below_a_node_and_not_its_own(store: &dyn Store) {
    let tree = Tree::new(store).await;
    let aside = tree.fixture.node("aside").await;
    let before = tree.versions().await;
    let mut transaction = tree.fixture.begin().await;
    let mut moved = transaction.move_rules_below(&[tree.top.id, aside.id]).await.expect("a move");
    transaction.commit().await.expect("commit");
    moved.sort_unstable();
    let expected = [&tree.child, &tree.linking].map(|node| (node.id, node.name.clone()));
    assert_eq!(moved, expected);
    assert_eq!(tree.versions().await, [before[0], before[1] + 1, before[2] + 1]);
}

pub async fn a_deleted_node_waits_for_those_that_point_at_it(store: &dyn Store) {
    let tree = Tree::new(store).await;
    assert_eq!(tree.orphans(None).await, []);
    tree.fixture.delete(tree.child.id).await;
    let to = Position::behind(9);
    let step = CursorMove { node: tree.child.id, epoch: None, to };
    store.move_cursors(Leg::Xmpp, &[step]).await.expect("move");
    let orphans = tree.orphans(None).await;
    let [Orphan { id, name, deleted_by }] = &orphans[..] else { panic!("{orphans:?}") };
    assert_eq!((*id, name), (tree.linking.id, &tree.linking.name));
    assert_eq!(deleted_by.to_bare(), bare("owner@example.org"));
    assert_eq!(tree.orphans(Some(tree.linking.id)).await, []);
    assert_eq!(store.reap_deleted(100).await.expect("reap"), 0, "somebody still points at it");
    tree.point(tree.linking.id, None).await;
    assert_eq!(tree.orphans(None).await, []);
    // Itself it pointed at a node that is there.
    tree.point(tree.child.id, None).await;
    assert!(store.reap_deleted(100).await.expect("reap") > 0);
}
