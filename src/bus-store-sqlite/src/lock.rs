use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use bus_store::StoreError;

use crate::error::unavailable;

/// An exclusive lock on `<database>.lock`, held as long as this lives; the kernel lets go of it when the process
/// dies.
///
/// `SQLite`'s own locks cannot serve: they allow several processes, and our caches do not.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock or says who is in the way.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(|source| {
                unavailable(format!("cannot write {}: {source}", path.display()), source)
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { what: database.display().to_string() }),
            Err(TryLockError::Error(source)) => {
                Err(unavailable(format!("cannot lock {}: {source}", path.display()), source))
            }
        }
    }
}
