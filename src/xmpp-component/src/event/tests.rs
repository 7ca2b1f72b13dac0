use super::*;

fn queue(inbound_stanzas_max: usize) -> (EventQueue, LinkEvents) {
    let limits = LinkLimits { inbound_stanzas_max, inbound_bytes_max: 100, ..LinkLimits::default() };
    EventQueue::new(&limits, CancellationToken::new())
}

fn stanza() -> LinkEvent {
    LinkEvent::Stanza(Element::bare("iq", "jabber:component:accept"))
}

#[test]
fn a_flapping_server_does_not_fill_the_queue_of_a_reader_that_is_away() {
    let (mut queue, _reader) = queue(1);
    queue.push_stanza(stanza(), 10);
    queue.push_down(1, Arc::new(DownReason::Silent));
    for generation in 2..100 {
        queue.push_up(generation);
        queue.push_down(generation, Arc::new(DownReason::Silent));
    }
    assert_eq!(queue.waiting.len(), 2);
}

#[test]
fn proofs_that_wait_side_by_side_become_one() {
    let (mut queue, _reader) = queue(1);
    queue.push_handed_over(1, 10);
    queue.push_handed_over(1, 20);
    queue.push_handed_over(2, 5);
    let waiting: Vec<_> = queue.waiting.iter().map(|(event, _)| format!("{event:?}")).collect();
    let expected = [
        "HandedOver { generation: 1, through_ticket: 20 }",
        "HandedOver { generation: 2, through_ticket: 5 }",
    ];
    assert_eq!(waiting, expected);
}

#[tokio::test]
async fn the_bytes_of_waiting_stanzas_are_bounded() {
    let (mut queue, mut reader) = queue(10);
    for _ in 0..3 {
        queue.push_stanza(stanza(), 60);
    }
    queue.deliver_ready();
    assert_eq!(queue.waiting.len(), 2);
    reader.recv().await.unwrap();
    queue.room().await;
    queue.deliver_ready();
    assert_eq!(queue.waiting.len(), 1);
}

#[tokio::test]
async fn a_stanza_over_the_whole_budget_passes_alone() {
    let (mut queue, mut reader) = queue(10);
    queue.push_stanza(stanza(), 1_000);
    queue.push_stanza(stanza(), 1);
    queue.deliver_ready();
    assert_eq!(queue.waiting.len(), 1);
    reader.recv().await.unwrap();
    queue.deliver_ready();
    assert!(queue.is_empty());
}

#[tokio::test]
async fn a_dropped_reader_is_noticed() {
    let (mut queue, reader) = queue(1);
    queue.push_stanza(stanza(), 1);
    drop(reader);
    queue.room().await;
    queue.deliver_ready();
    assert!(queue.is_empty() && queue.reader_gone.is_cancelled());
}
