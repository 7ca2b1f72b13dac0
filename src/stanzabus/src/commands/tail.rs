mod progress;

use std::path::Path;

use bridge_grpc::v1;
use v1::tail_request::Start;
use v1::tail_response::Frame;

use crate::cli::TailArguments;
use crate::client::grpc::refused;
use crate::client::output::{self, EventLine, JsonText};
use crate::client::pubsub::PubsubUser;
use crate::client::{connect_grpc, connect_xmpp};
use crate::failure::Failure;
use crate::signals::StopSignals;

use progress::Progress;

/// `stanzabus tail`: until a signal comes, `--count` is reached, or the node is deleted.
pub(crate) async fn run(config: &Path, arguments: TailArguments) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    if let Some(mut user) = connect_xmpp(config, &arguments.act_as).await? {
        let followed = tokio::select! {
            followed = over_xmpp(&mut user, &arguments) => followed,
            () = signals.next() => Ok(()),
        };
        user.close().await;
        return followed;
    }
    tokio::select! {
        followed = over_grpc(config, arguments) => followed,
        () = signals.next() => Ok(()),
    }
}

async fn over_grpc(config: &Path, arguments: TailArguments) -> Result<(), Failure> {
    let TailArguments { node, earliest, after_seq, epoch, count, cloud_events, .. } = arguments;
    let start = match after_seq {
        Some(seq) => Start::AfterSeq(seq),
        None if earliest => Start::Earliest(true),
        None => Start::Latest(true),
    };
    let request = v1::TailRequest {
        node: node.clone(),
        start: Some(start),
        expected_epoch: epoch,
        payload_format: if cloud_events { v1::PayloadFormat::CloudEvent } else { v1::PayloadFormat::Xml }
            .into(),
    };
    let mut frames = connect_grpc(config).await?.tail(request).await?;
    let mut left = Countdown(count);
    while !left.is_over() {
        let frame = frames.message().await.map_err(|status| refused(format!("tail {node}"), &status))?;
        match frame.and_then(|response| response.frame) {
            None => break,
            Some(Frame::Opened(opened)) => output::status(&format!(
                "tail: reading {node}, epoch {}, its head is {}",
                output::epoch_text(opened.epoch),
                opened.head_seq
            )),
            Some(Frame::Gap(gap)) => {
                output::status(&format!("tail: a gap: everything before seq {} is gone", gap.first_seq));
            }
            Some(Frame::Event(event)) => {
                output::print_json(&event_line(event))?;
                left.count_one();
            }
        }
    }
    Ok(())
}

async fn over_xmpp(user: &mut PubsubUser, arguments: &TailArguments) -> Result<(), Failure> {
    let node = arguments.node.as_str();
    let mut left = Countdown(arguments.count);
    // In this order the answer proves that the server knows of the presence.
    user.send_presence().await?;
    user.subscribe(node).await?;
    output::status(&format!("tail: subscribed to {node}, waiting"));
    let mut progress = Progress::starting_after(arguments.after.as_deref());
    while !left.is_over()
        && let Some(start) = progress.page_start()
    {
        let page = user.archive_after(node, start).await?;
        for event in &page.events {
            if left.is_over() {
                return Ok(());
            }
            output::print_json(event)?;
            left.count_one();
        }
        progress.fetched(&page);
    }
    while !left.is_over() {
        let event = user.next_event().await?;
        if event.node == node && progress.is_new(&event) {
            output::print_json(&event)?;
            left.count_one();
            if event.kind == "deleted" {
                break;
            }
        }
    }
    Ok(())
}

/// How many events are still wanted; without a bound, always more.
struct Countdown(Option<u64>);

impl Countdown {
    fn is_over(&self) -> bool {
        self.0 == Some(0)
    }

    fn count_one(&mut self) {
        self.0 = self.0.map(|left| left.saturating_sub(1));
    }
}

/// An event of the gRPC API as a line.
pub(super) fn event_line(event: v1::Event) -> EventLine {
    let kind = match event.kind() {
        v1::EventKind::Published => "published",
        v1::EventKind::Retracted => "retracted",
        v1::EventKind::NodePurged => "purged",
        v1::EventKind::NodeConfigured => "configured",
        v1::EventKind::NodeDeleted => "deleted",
        v1::EventKind::Unspecified => "unknown",
    };
    let (payload, cloud_event) = match event.payload {
        None => (None, None),
        Some(v1::event::Payload::Xml(xml)) => (Some(xml), None),
        Some(v1::event::Payload::CloudEvent(event)) => (None, json_of(*event)),
    };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    EventLine {
        node: event.node,
        epoch: Some(output::epoch_text(event.epoch)),
        seq: Some(event.seq),
        after: None,
        kind,
        item_id: some(event.item_id),
        event_id: some(event.event_id),
        publisher: some(event.publisher),
        published_at: event.publish_time.map(|time| time.to_string()),
        payload,
        cloud_event,
    }
}

/// A daemon sends only what keeps the rules.
fn json_of(event: bus_cloudevents::protobuf::v1::CloudEvent) -> Option<JsonText> {
    let event = bus_cloudevents::protobuf::from_message(event).ok()?;
    Some(JsonText(bus_cloudevents::json::write(&event)))
}
