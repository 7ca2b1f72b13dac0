//! Events as bytes of protobuf: made once, and shared by all who read the event while it is new.

use std::sync::Arc;

use bus_domain::{Event, NodeFacts};
use bus_engine::{EventIds, EventRef};
use prost::Message as _;
use prost::bytes::Bytes;

use crate::convert::{PayloadForm, event_to_message};
use crate::settings::GrpcStatistics;

/// Messages of type `stanzabus.v1.Event` as they go over the wire. Cheap to clone; all clones share what is kept.
#[derive(Debug, Clone)]
pub(crate) struct EncodedEvents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ids: EventIds,
    statistics: Arc<GrpcStatistics>,
    /// By whether they are CloudEvents.
    kept: bus_engine::EncodedEvents<bool>,
}

impl EncodedEvents {
    pub(crate) fn new(ids: EventIds, bytes_max: usize, statistics: Arc<GrpcStatistics>) -> Self {
        Self(Arc::new(Inner { ids, statistics, kept: bus_engine::EncodedEvents::new(bytes_max) }))
    }

    /// An event that others read at the same time.
    pub(crate) fn shared(&self, node: &NodeFacts, form: &PayloadForm, event: &Event) -> Bytes {
        let key = EventRef { node: node.id, epoch: node.epoch, seq: event.seq };
        self.0.kept.shared(key, form.is_cloud_event(), || self.encode(node, form, event))
    }

    /// An event that one reader has read for itself, far back in the log: it would take the place of what others share.
    pub(crate) fn alone(&self, node: &NodeFacts, form: &PayloadForm, event: &Event) -> Bytes {
        self.0.kept.alone(|| self.encode(node, form, event))
    }

    fn encode(&self, node: &NodeFacts, form: &PayloadForm, event: &Event) -> Bytes {
        self.0.statistics.count_encoded();
        event_to_message(&self.0.ids, node, form, event).encode_to_vec().into()
    }
}
