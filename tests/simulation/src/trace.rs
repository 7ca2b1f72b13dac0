use std::fmt;

/// What happened in a run, one line per step: what a person reads when a seed fails, and what two runs of one seed
/// must have in common.
#[derive(Debug, Default)]
pub struct Trace(Vec<String>);

impl Trace {
    /// Adds a line.
    pub fn note(&mut self, line: String) {
        self.0.push(line);
    }

    /// Lines so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True before the first line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number for the whole: FNV-1a over the lines.
    pub fn fingerprint(&self) -> u64 {
        let bytes = self.0.iter().flat_map(|line| line.bytes().chain([b'\n']));
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(number, line)| writeln!(out, "{number:5} {line}"))
    }
}
