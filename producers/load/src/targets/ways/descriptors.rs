//! How many connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to what this process may have at most. Shells give a thousand, and each request that is under way
/// has a connection. Where that can't be done it stays as it is.
pub(super) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Why no connection was made; where the reason lies in this machine and not in the system, with that.
pub(super) fn explain(why: String) -> String {
    let ours = |code: i32| why.contains(&format!("(os error {code})"));
    if ours(EMFILE) || ours(ENFILE) {
        return format!("the generator may have no more files open, raise `ulimit -n`: {why}");
    }
    if ours(EADDRNOTAVAIL) {
        return format!("the generator's machine has no more ports for connections, lower the rate: {why}");
    }
    format!("can't connect: {why}")
}

const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
const ENFILE: i32 = rustix::io::Errno::NFILE.raw_os_error();
const EADDRNOTAVAIL: i32 = rustix::io::Errno::ADDRNOTAVAIL.raw_os_error();

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn what_this_machine_lacks_is_not_told_as_the_systems_refusal() {
        for (code, expected) in
            [(EMFILE, "raise `ulimit -n`"), (ENFILE, "raise `ulimit -n`"), (EADDRNOTAVAIL, "no more ports")]
        {
            let told = explain(format!("tcp open error: {}", Error::from_raw_os_error(code)));
            assert!(told.starts_with("the generator") && told.contains(expected), "{told}");
        }
        let refused = explain("tcp connect error: Connection refused (os error 111)".into());
        assert_eq!(refused, "can't connect: tcp connect error: Connection refused (os error 111)");
    }

    #[test]
    fn as_many_files_as_are_allowed_may_be_open() {
        raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
