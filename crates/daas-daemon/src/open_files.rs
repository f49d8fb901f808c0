use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More is of no use to any of ours, and a process that closes every file it might have open takes long with millions.
const ENOUGH: u64 = 65_536;

/// Lets this process open as many files as the machine allows it, which shells rarely do by themselves; how many that is.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let wanted = hard.min(ENOUGH).max(soft);
    match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, files = soft, "the limit of open files stays");
            soft
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_as_the_machine_allows() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(256), hard).unwrap();
        let raised = raise_open_files();
        assert_eq!(raised, hard.min(ENOUGH));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (raised, hard));
    }
}
