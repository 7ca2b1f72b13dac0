use crate::{BusError, Epoch, Seq};

/// Where the publisher has seen the log end: nothing is published if somebody has published since (optimistic
/// concurrency).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedHead {
    /// The newest position; 0 for an empty log.
    pub seq: Seq,
    /// The life of the log that it is of, for who wants to be sure of that too.
    pub epoch: Option<Epoch>,
}

impl ExpectedHead {
    /// Compares with where the log ends. The refusal says where.
    pub fn settle(&self, epoch: Epoch, seq: Seq) -> Result<(), BusError> {
        if self.seq == seq && self.epoch.is_none_or(|expected| expected == epoch) {
            Ok(())
        } else {
            Err(BusError::HeadMoved { epoch, seq })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_must_be_the_newest_and_of_its_epoch() {
        let expect = |seq, epoch: Option<u64>| {
            let expected = ExpectedHead { seq, epoch: epoch.map(Epoch) };
            expected.settle(Epoch(7), 3)
        };
        let moved = Err(BusError::HeadMoved { epoch: Epoch(7), seq: 3 });
        assert_eq!([expect(3, None), expect(3, Some(7))], [Ok(()), Ok(())]);
        assert_eq!(
            [expect(2, None), expect(4, None), expect(3, Some(8))],
            [moved.clone(), moved.clone(), moved]
        );
    }
}
