use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// What a process can be told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signal {
    Interrupt,
    Kill,
    Stop,
    Continue,
}

/// Tells processes; those that are gone already are no error.
pub(super) fn send(signal: Signal, processes: &[u32]) -> Result<()> {
    let name = match signal {
        Signal::Interrupt => "INT",
        Signal::Kill => "KILL",
        Signal::Stop => "STOP",
        Signal::Continue => "CONT",
    };
    let ids = processes.iter().map(ToString::to_string);
    // The shell's own `kill`: a bare machine may lack the program.
    let script = "for id; do kill -\"$0\" \"$id\" 2>/dev/null; done; true";
    let sent = Command::new("sh").args(["-c", script, name]).args(ids).status()?;
    if !sent.success() {
        bail!("cannot send SIG{name} to {processes:?}");
    }
    Ok(())
}

/// Whether nothing is left of these processes; one that only waits for its parent to take notice is nothing.
pub(super) fn are_gone(processes: &[u32]) -> bool {
    processes.iter().all(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
    })
}

/// The processes that a process has started itself.
pub(super) fn children(parent: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Processes come and go while they are listed.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything; behind it stand the state and the parent.
        let parent_of =
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if parent_of == Some(parent) {
            children.push(id);
        }
    }
    Ok(children)
}

/// Has a PostgreSQL ended and its folder removed when this process ends, however that happens: a shell waits for the
/// end of a pipe that this process holds open and never writes to.
pub(super) fn end_with_us(process: u32, folder: &Path) -> Result<()> {
    let script =
        "read -r _; kill -QUIT \"$0\"; while kill -0 \"$0\" 2>/dev/null; do sleep 0.1; done; rm -rf \"$1\"";
    let mut shell = Command::new("sh")
        .args(["-c", script, &process.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    std::mem::forget(shell.stdin.take());
    Ok(())
}
