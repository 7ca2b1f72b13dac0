//! What the interposer noted, and whether a reply waited for its sync.

/// One line of the interposer's log.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// The daemon has got this from a socket.
    Read(String),
    /// The daemon is about to write this to a socket.
    Write(String),
    /// A sync was asked for.
    SyncBegin(Sync),
    /// It waits because the test holds syncs back.
    SyncHeld(Sync),
    /// It has returned and succeeded.
    SyncEnd(Sync),
    /// It has returned and failed.
    SyncFailed(Sync),
}

/// The number of a call, and the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sync {
    number: u64,
    path: String,
}

/// The log so far.
pub(super) struct Trace(Vec<Entry>);

impl Trace {
    /// Reads whole lines; the last one may be on its way.
    pub(super) fn parse(text: &str) -> Self {
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        Self(whole.lines().map(parse_entry).collect())
    }

    /// The rule. The request that holds `token` was read; a sync of the store began after that, and returned; the
    /// first reply that holds `token` was written after that.
    pub(super) fn check_synced_before_reply(&self, token: &str) -> Result<(), String> {
        let read_at = self.read_at(token).ok_or_else(|| format!("{token} was never read"))?;
        let after_read = &self.0[read_at + 1..];
        let written =
            after_read.iter().position(|entry| matches!(entry, Entry::Write(text) if text.contains(token)));
        let between = &after_read[..written.ok_or_else(|| format!("{token} was never answered"))?];
        let has_ended = |sync: &Sync| between.contains(&Entry::SyncEnd(sync.clone()));
        let begun = between.iter().filter_map(|entry| match entry {
            Entry::SyncBegin(sync) if sync.is_of_store() => Some(sync),
            _ => None,
        });
        if begun.into_iter().any(has_ended) {
            return Ok(());
        }
        Err(format!(
            "{token} was answered before a sync that began after its request had returned: {between:#?}"
        ))
    }

    /// Whether a sync of the store that began after the request with `token` was read is held back.
    pub(super) fn holds_sync_after(&self, token: &str) -> bool {
        let after_read = self.read_at(token).map_or(&[][..], |read_at| &self.0[read_at..]);
        after_read.iter().any(|entry| matches!(entry, Entry::SyncHeld(sync) if sync.is_of_store()))
    }

    /// Whether something with `token` was written to a socket.
    pub(super) fn is_answered(&self, token: &str) -> bool {
        self.0.iter().any(|entry| matches!(entry, Entry::Write(text) if text.contains(token)))
    }

    fn read_at(&self, token: &str) -> Option<usize> {
        self.0.iter().position(|entry| matches!(entry, Entry::Read(text) if text.contains(token)))
    }
}

impl Sync {
    /// The write-ahead log is what a commit syncs, the database what a checkpoint syncs.
    fn is_of_store(&self) -> bool {
        ["/stanzabus.db-wal", "/stanzabus.db"].iter().any(|name| self.path.ends_with(name))
    }
}

fn parse_entry(line: &str) -> Entry {
    let mut words = line.splitn(3, ' ');
    let (Some(what), Some(number), Some(rest)) = (words.next(), words.next(), words.next()) else {
        panic!("the interposer wrote {line:?}");
    };
    let sync = || Sync { number: number.parse().expect("syncs are numbered"), path: rest.to_owned() };
    match what {
        "read" => Entry::Read(rest.to_owned()),
        "write" => Entry::Write(rest.to_owned()),
        "sync-begin" => Entry::SyncBegin(sync()),
        "sync-held" => Entry::SyncHeld(sync()),
        "sync-end" => Entry::SyncEnd(sync()),
        "sync-failed" => Entry::SyncFailed(sync()),
        _ => panic!("the interposer wrote {line:?}"),
    }
}

mod tests;
