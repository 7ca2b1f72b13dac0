/// Bounds on one XML element tree.
///
/// The depth cap protects the stack: dropping a tree recurses, and a worker thread with 2 MiB of stack dies near
/// 3,000 levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlLimits {
    /// Levels of nesting, the root counted as 1.
    pub depth_max: usize,
    /// Bytes of the element as it stands on the wire, attributes and markup included.
    pub bytes_max: usize,
}

impl XmlLimits {
    /// The longest single token (a name or an attribute value) that the parser may hold.
    ///
    /// A token cannot be longer than the element around it, so a broken byte cap is noticed as such and never as
    /// a broken stream.
    pub fn token_bytes_max(&self) -> usize {
        self.bytes_max.saturating_mul(2)
    }
}
