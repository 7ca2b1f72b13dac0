//! What the interposer noted, and whether a reply waited for its sync.

use std::collections::HashMap;

/// One line of the interposer's log.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// The daemon has got this from a socket.
    Read(Piece),
    /// The daemon is about to write this to a socket.
    Write(Piece),
    /// A sync was asked for.
    SyncBegin(Sync),
    /// It waits because the test holds syncs back.
    SyncHeld(Sync),
    /// It has returned and succeeded.
    SyncEnd(Sync),
    /// It has returned and failed.
    SyncFailed(Sync),
}

/// What one call moved. A socket's bytes are cut where buffers end, so a token may be in two pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    socket: u64,
    text: String,
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
        let written = find(after_read, token, Entry::written);
        let (written_from, _) = written.ok_or_else(|| format!("{token} was never answered"))?;
        let between = &after_read[..written_from];
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
        find(&self.0, token, Entry::written).is_some()
    }

    fn read_at(&self, token: &str) -> Option<usize> {
        find(&self.0, token, Entry::read).map(|(_, read_through)| read_through)
    }
}

/// Between which entries, both included, the token first went over one socket.
fn find(entries: &[Entry], token: &str, piece: fn(&Entry) -> Option<&Piece>) -> Option<(usize, usize)> {
    // Of each socket: the end of what went before, and where that was noted.
    let mut ends: HashMap<u64, (String, usize)> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(Piece { socket, text }) = piece(entry) else { continue };
        let (before, noted_at) = ends.remove(socket).unwrap_or_default();
        let joined = format!("{before}{text}");
        if let Some(at) = joined.find(token) {
            return Some((if at < before.len() { noted_at } else { index }, index));
        }
        let end = joined[joined.len().saturating_sub(token.len() - 1)..].to_owned();
        ends.insert(*socket, (end, index));
    }
    None
}

impl Entry {
    fn read(&self) -> Option<&Piece> {
        if let Self::Read(piece) = self { Some(piece) } else { None }
    }

    fn written(&self) -> Option<&Piece> {
        if let Self::Write(piece) = self { Some(piece) } else { None }
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
    let number = number.parse().expect("syncs and sockets are numbered");
    let sync = || Sync { number, path: rest.to_owned() };
    let piece = || Piece { socket: number, text: rest.to_owned() };
    match what {
        "read" => Entry::Read(piece()),
        "write" => Entry::Write(piece()),
        "sync-begin" => Entry::SyncBegin(sync()),
        "sync-held" => Entry::SyncHeld(sync()),
        "sync-end" => Entry::SyncEnd(sync()),
        "sync-failed" => Entry::SyncFailed(sync()),
        _ => panic!("the interposer wrote {line:?}"),
    }
}

mod tests;
