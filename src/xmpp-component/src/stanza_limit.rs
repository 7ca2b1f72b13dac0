/// What every server must take (RFC 6120 §13.12): no shorter stanza is ever suspected.
const STANZA_BYTES_SURE: usize = 10_000;

/// How long a stanza may be: what the configuration says, or less once the server has shown that it takes less.
///
/// A server that finds a stanza too long ends the stream with everything behind the last proof, announces its limit
/// nowhere, and does it again when the same is sent again. So what two streams in a row broke on is not sent a third
/// time: the limit goes below it.
#[derive(Debug)]
pub(crate) struct StanzaLimit {
    bytes_max: usize,
    is_learned: bool,
    /// The longest unproven stanza of the stream that the server refused last.
    suspect_bytes: Option<usize>,
    longest_proven_bytes: usize,
}

impl StanzaLimit {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, is_learned: false, suspect_bytes: None, longest_proven_bytes: 0 }
    }

    /// The longest stanza that is worth a try, in bytes.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Whether it is below what the configuration says.
    pub(crate) fn is_learned(&self) -> bool {
        self.is_learned
    }

    /// The server took a stanza of that length.
    pub(crate) fn proven(&mut self, bytes: usize) {
        self.longest_proven_bytes = self.longest_proven_bytes.max(bytes);
        self.suspect_bytes.take_if(|suspect_bytes| *suspect_bytes <= bytes);
    }

    /// The server ended the stream in the way of one that was sent too much at once, when the longest stanza that it
    /// had not proved to have taken was that long. True when the limit has just become lower.
    pub(crate) fn refused(&mut self, longest_unproven_bytes: usize) -> bool {
        if longest_unproven_bytes <= STANZA_BYTES_SURE.max(self.longest_proven_bytes) {
            return false;
        }
        if self.suspect_bytes.replace(longest_unproven_bytes).is_none() {
            return false;
        }
        // Halfway, or one stanza after the other would have to be tried twice.
        self.bytes_max = (longest_unproven_bytes / 2).max(self.longest_proven_bytes).max(STANZA_BYTES_SURE);
        self.is_learned = true;
        self.suspect_bytes = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_streams_break_on_is_not_tried_a_third_time() {
        let mut limit = StanzaLimit::new(480_000);
        assert!(!limit.refused(100_000), "once may be anything");
        assert_eq!(limit.bytes_max(), 480_000);
        assert!(limit.refused(100_000));
        assert_eq!((limit.bytes_max(), limit.is_learned()), (50_000, true));
    }

    #[test]
    fn what_the_server_has_taken_before_stays_allowed() {
        let mut limit = StanzaLimit::new(480_000);
        limit.proven(65_000);
        limit.refused(70_000);
        assert!(limit.refused(70_000));
        assert_eq!(limit.bytes_max(), 65_000);
    }

    #[test]
    fn short_stanzas_are_never_to_blame() {
        let mut limit = StanzaLimit::new(480_000);
        assert!((0..9).all(|_| !limit.refused(STANZA_BYTES_SURE)));
        limit.refused(15_000);
        limit.refused(15_000);
        assert_eq!(limit.bytes_max(), STANZA_BYTES_SURE);
    }

    #[test]
    fn a_stanza_that_gets_through_the_second_time_is_cleared() {
        let mut limit = StanzaLimit::new(480_000);
        limit.refused(100_000);
        limit.proven(100_000);
        limit.refused(200_000);
        assert!(!limit.is_learned());
    }
}
