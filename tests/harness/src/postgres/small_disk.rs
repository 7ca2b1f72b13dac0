use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A file system of a fixed size, in memory. Unmounted when dropped.
#[derive(Debug)]
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(super) fn mount(folder: &Path, bytes: u64) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(folder);
        if !command.status().context("`mount` does not start")?.success() {
            bail!("cannot mount a file system on {}; this needs root", folder.display());
        }
        Ok(Self(folder.to_owned()))
    }
}

impl SmallDisk {
    /// Fills what is left.
    pub(super) fn fill(&self) -> Result<()> {
        let mut ballast = fs::File::create(self.ballast())?;
        match io::copy(&mut io::repeat(0), &mut ballast) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            other => bail!("the disk does not get full: {other:?}"),
        }
    }

    /// Frees what [`Self::fill`] took.
    pub(super) fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the processes that were just killed may still have it open for a moment. Nobody is left to tell when
        // it fails.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
