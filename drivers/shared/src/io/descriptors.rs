//! How many file descriptors this process may open, and how many of them connections may have.

use std::io;

/// Raises the soft limit of open file descriptors of this process to the hard limit, and returns it. Returns `None` where
/// the system has no such limit.
///
/// The soft limit is often 1 024, for the sake of programs that call `select`. `nuncio serve` calls this as it starts; a
/// program that embeds a server decides by itself. A server that is built afterwards leaves a share of the limit to
/// agents, the journal and the rest of the process.
pub fn raise_descriptor_limit() -> io::Result<Option<usize>> {
    system::raise()
}

/// The number of descriptors that the sockets of a server may have; `usize::MAX` without a limit.
pub(crate) fn for_sockets() -> usize {
    system::limit().map_or(usize::MAX, without_share)
}

/// What is left of a limit without the share of agents, the journal and the rest of the process: a quarter of it, but no
/// more than 4 096.
fn without_share(limit: usize) -> usize {
    limit - (limit / 4).min(4_096)
}

/// The number of connections that a port for few clients may have, such as that of metrics: 64, but no more than a 32nd of the
/// descriptors, and at least 4. They are of the share that is left to the rest of the process.
pub fn for_small_port() -> usize {
    small_share(system::limit().unwrap_or(usize::MAX))
}

fn small_share(limit: usize) -> usize {
    (limit / 32).clamp(4, 64)
}

#[cfg(unix)]
mod system {
    use std::io;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// The limit of a process whose hard limit is infinite. Some systems refuse a higher one.
    const WITHOUT_HARD_LIMIT: u64 = 10_240;

    pub(super) fn raise() -> io::Result<Option<usize>> {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let wanted = maximum.unwrap_or(WITHOUT_HARD_LIMIT);
        if current.is_some_and(|current| current < wanted) {
            setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
        }
        Ok(limit())
    }

    pub(super) fn limit() -> Option<usize> {
        getrlimit(Resource::Nofile).current.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    pub(super) fn raise() -> io::Result<Option<usize>> {
        Ok(None)
    }

    pub(super) fn limit() -> Option<usize> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_limit_is_raised_as_far_as_the_system_lets_it_be() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        // Other tests of this process have fewer files.
        let lower = current.map(|current| current - 1);
        assert_eq!(setrlimit(Resource::Nofile, Rlimit { current: lower, maximum }), Ok(()));
        let raised = raise_descriptor_limit().ok().flatten();
        let now = getrlimit(Resource::Nofile).current;
        assert_eq!(raised.map(|limit| limit as u64), now);
        assert!(maximum.is_none() || now == maximum, "{now:?} of {maximum:?}");
        assert_eq!(for_sockets(), raised.map_or(usize::MAX, without_share));
    }

    #[test]
    fn a_share_is_left_to_agents_and_the_journal() {
        assert_eq!(without_share(1_024), 768);
        assert_eq!(without_share(1_048_576), 1_044_480);
        assert_eq!(without_share(0), 0);
        // Two such ports leave three quarters of the share.
        assert_eq!([0, 256, 512, 2_048, usize::MAX].map(small_share), [4, 8, 16, 64, 64]);
    }
}
