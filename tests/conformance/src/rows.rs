//! The requirements, and what the project says of those that no script proves.

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub id: &'static str,
    /// MUST, SHOULD and so on; GAP where the XEP leaves it to us, TRAP for a known mistake, DER for what follows from
    /// others, FACT for what is only told.
    pub level: &'static str,
    /// The section, or `-`.
    pub section: &'static str,
}

/// Why no script proves a requirement. A name that ends in `*` is of all that begin like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Which.
    pub id: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// All of them, in the order of the file.
///
/// # Panics
/// When a line of `rows.txt` is not an id, a level and a section.
pub fn all() -> Vec<Row> {
    let row = |line: &'static str| {
        let mut words = line.split(' ');
        let row = (words.next(), words.next(), words.next(), words.next());
        let (Some(id), Some(level), Some(section), None) = row else { panic!("rows.txt: {line}") };
        Row { id, level, section }
    };
    lines(include_str!("../rows.txt")).map(row).collect()
}

/// What is not proven.
///
/// # Panics
/// When a line of `open.txt` has no reason.
pub fn open() -> Vec<Open> {
    let open = |line: &'static str| {
        let (id, reason) = line.split_once(' ').unwrap_or_else(|| panic!("open.txt: no reason for {line}"));
        Open { id, reason }
    };
    lines(include_str!("../open.txt")).map(open).collect()
}

impl Open {
    /// Whether it speaks of this requirement.
    pub fn is_about(&self, id: &str) -> bool {
        self.id.strip_suffix('*').map_or(self.id == id, |start| id.starts_with(start))
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}
