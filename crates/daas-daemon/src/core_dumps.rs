use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Keeps this process' memory, where keys are, out of core files. What it starts begins the same way and may ask for more: the
/// hard limit stays.
pub fn no_core_dumps() {
    let limited = getrlimit(Resource::RLIMIT_CORE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_CORE, 0, hard));
    if let Err(error) = limited {
        tracing::warn!(%error, "a crash may write this process' memory to a file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_core_file_and_children_may_ask_for_one() {
        let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
        setrlimit(Resource::RLIMIT_CORE, hard, hard).unwrap();
        no_core_dumps();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, hard));
    }
}
