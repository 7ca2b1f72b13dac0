//! The name of a lease, as workers send it back.

use crate::{Epoch, NodeId, Seq};

/// One attempt at one event. Who may use the consumer may name any lease of it, so it carries no secret; what it names is
/// compared with what is leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseId {
    /// The node.
    pub node: NodeId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The event.
    pub seq: Seq,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// It moves whenever attempts may be counted anew: with each claim of the consumer, and with each redrive. So no two
    /// leases have one name.
    pub generation: u64,
}

impl LeaseId {
    /// As text. Leases from before there were generations have the name that they had then.
    pub fn encode(&self) -> String {
        let Self { node, epoch, seq, attempt, generation } = self;
        if *generation == 0 {
            return format!("{:x}.{:x}.{seq:x}.{attempt:x}", node.0, epoch.0);
        }
        format!("{:x}.{:x}.{seq:x}.{attempt:x}.{generation:x}", node.0, epoch.0)
    }

    /// From text; `None` if it is not the name of a lease.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut next = || parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let node = NodeId(i64::from_str_radix(next()?, 16).ok()?);
        let epoch = Epoch(u64::from_str_radix(next()?, 16).ok()?);
        let seq = Seq::from_str_radix(next()?, 16).ok()?;
        let attempt = u32::from_str_radix(next()?, 16).ok()?;
        let generation = match parts.next() {
            None => 0,
            Some(part) if part.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                u64::from_str_radix(part, 16).ok()?
            }
            Some(_) => return None,
        };
        parts.next().is_none().then_some(Self { node, epoch, seq, attempt, generation })
    }
}
