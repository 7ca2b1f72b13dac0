//! The requirements, what the project says of those that no script proves, and which features stand for them.

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

/// A feature of disco, and the requirement that it promises to meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its `var`.
    pub var: &'static str,
    /// The requirement.
    pub id: &'static str,
}

/// What the service announces.
///
/// # Panics
/// When a line of `features.txt` is not a feature and an id.
pub fn features() -> Vec<Feature> {
    let feature = |line: &'static str| {
        let (var, id) = line.split_once(' ').unwrap_or_else(|| panic!("features.txt: no id for {line}"));
        Feature { var, id }
    };
    lines(include_str!("../features.txt")).map(feature).collect()
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
