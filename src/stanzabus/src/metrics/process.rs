use std::fs;

/// What of the daemon's memory is in RAM; 0 where the system does not tell (`/proc`).
pub(super) fn resident_bytes() -> u64 {
    fs::read_to_string("/proc/self/status").ok().and_then(|status| resident_bytes_of(&status)).unwrap_or(0)
}

fn resident_bytes_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_the_kernel_writes_it() {
        assert_eq!(resident_bytes_of("VmPeak:\t  900 kB\nVmRSS:\t    64 kB\n"), Some(65_536));
        assert_eq!(resident_bytes_of("VmPeak:\t  900 kB\n"), None);
        assert!(resident_bytes() > 1_000_000, "a test has some");
    }
}
