use bus_domain::{Event, ItemId, NodeId};
use bus_store::StoreError;

use super::PostgresTransaction;
use crate::rows::{self, signed};
use crate::statement::{query, statements};

statements! {
    APPEND = "INSERT INTO events (node_id, seq, kind, item_id, publisher, payload, published_at_ms,
                             recipients_version, due_after_seq, origin)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                              $7::bigint[], $8::bigint[], $9::bigint[], $10::text[])";
}

pub(super) async fn append(
    transaction: &mut PostgresTransaction,
    events: &[(NodeId, Event)],
) -> Result<(), StoreError> {
    let query = query(APPEND)
        .bind(column(events, |node, _| node.0))
        .bind(column(events, |_, event| signed(event.seq)))
        .bind(column(events, |_, event| rows::kind_number(&event.kind)))
        .bind(column(events, |_, event| event.kind.item_id().map(ItemId::as_str)))
        .bind(column(events, |_, event| event.publisher.as_str()))
        .bind(column(events, |_, event| rows::content(&event.kind)))
        .bind(column(events, |_, event| event.published_at_ms))
        .bind(column(events, |_, event| signed(event.recipients_version)))
        .bind(column(events, |_, event| event.due_after_seq.map(signed)))
        .bind(column(events, |_, event| rows::stored_origin(event)));
    transaction.execute(query).await.map(drop)
}

fn column<'a, T>(events: &'a [(NodeId, Event)], value: impl Fn(NodeId, &'a Event) -> T) -> Vec<T> {
    events.iter().map(|(node, event)| value(*node, event)).collect()
}
