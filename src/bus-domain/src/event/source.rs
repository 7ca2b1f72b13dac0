use serde::{Deserialize, Serialize};

use crate::{AccessModel, Epoch, NodeId, NodeName, Seq};

/// The node below a collection that an event of the collection's log is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The node.
    pub node: NodeId,
    /// Its name, which notifications carry.
    pub name: NodeName,
    /// How far it is below the collection: 1 for a child.
    pub distance: u32,
    /// The life of its log.
    pub epoch: Epoch,
    /// Where the event stands there; for an association, behind which event it begins.
    pub seq: Seq,
    /// When that was committed, in milliseconds since 1970.
    pub published_at_ms: i64,
    /// Its access model when the collection took the event. It decides who may hear of the node once that is gone.
    pub access_model: AccessModel,
}

/// What an event of a collection's log has beside the columns of every event. Stored as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Where it was forwarded from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Box<Source>>,
    /// The child that was associated or dissociated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<Box<Source>>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    node: i64,
    name: String,
    distance: u32,
    epoch: u64,
    seq: Seq,
    published_at_ms: i64,
    access_model: AccessModel,
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { node, ref name, distance, epoch, seq, published_at_ms, access_model } = *self;
        let name = name.as_str().to_owned();
        Stored { node: node.0, name, distance, epoch: epoch.0, seq, published_at_ms, access_model }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { node, name, distance, epoch, seq, published_at_ms, access_model } =
            Stored::deserialize(deserializer)?;
        let name = NodeName::new(&name).map_err(serde::de::Error::custom)?;
        Ok(Self {
            node: NodeId(node),
            name,
            distance,
            epoch: Epoch(epoch),
            seq,
            published_at_ms,
            access_model,
        })
    }
}
