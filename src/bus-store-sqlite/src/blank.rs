//! Empty stores by the hundred, for tests: all migrations take longer than most of what is tested on them.

use std::path::Path;

use tokio::sync::OnceCell;

use crate::SqliteStore;

/// The file and its log, as they are while the store is open.
const FILES: [&str; 2] = ["bus.db", "bus.db-wal"];

impl SqliteStore {
    /// An empty store `bus.db` in the folder: a copy of one that each process makes once.
    ///
    /// # Panics
    ///
    /// When a file cannot be written, or the store not be opened: it is for tests only.
    #[doc(hidden)]
    pub async fn blank(folder: &Path) -> Self {
        static MADE: OnceCell<[Vec<u8>; 2]> = OnceCell::const_new();
        let content = MADE.get_or_init(|| async {
            let path = folder.join("made");
            std::fs::create_dir(&path).expect("a folder of its own");
            let open = Self::open(&path.join(FILES[0])).await.expect("a store");
            let content = FILES.map(|file| std::fs::read(path.join(file)).expect("a file of the store"));
            drop(open);
            std::fs::remove_dir_all(&path).expect("the folder is removed");
            content
        });
        for (file, content) in FILES.into_iter().zip(content.await) {
            std::fs::write(folder.join(file), content).expect("a file of the store");
        }
        Self::open(&folder.join(FILES[0])).await.expect("a store")
    }
}
