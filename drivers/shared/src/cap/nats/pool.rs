//! The servers of a cluster, and the pauses between attempts to reach them.

use std::time::{Duration, Instant};

use crate::cap::bus::{NatsOptions, NatsServer};
use crate::io::random::fraction;

/// The servers that are tried in turn.
#[derive(Debug)]
pub(super) struct Pool {
    servers: Vec<NatsServer>,
    next: usize,
    /// The attempts in a row that have not brought a lasting connection.
    failed: u32,
    options: NatsOptions,
}

/// How many servers are known at most.
const MAX_SERVERS: usize = 64;
/// How long a connection has to last to count as a success.
const STEADY: Duration = Duration::from_secs(5);

impl Pool {
    pub(super) fn new(options: &NatsOptions) -> Pool {
        let mut servers = options.servers.clone();
        for last in (1..servers.len()).rev() {
            servers.swap(last, random_below(last + 1));
        }
        Pool { servers, next: 0, failed: 0, options: options.clone() }
    }

    /// Returns the server to try next, and the pause before it: none within the first round.
    pub(super) fn next(&mut self) -> (NatsServer, Duration) {
        let count = self.servers.len().max(1);
        let server = self.servers[self.next % count].clone();
        self.next = (self.next + 1) % count;
        let round = self.failed / u32::try_from(count).unwrap_or(u32::MAX);
        let starts_round = self.failed.is_multiple_of(u32::try_from(count).unwrap_or(u32::MAX));
        self.failed = self.failed.saturating_add(1);
        if round == 0 || !starts_round {
            return (server, Duration::ZERO);
        }
        (server, self.options.pause(round))
    }

    /// Notes that a connection was lost which was made at this time.
    pub(super) fn lost(&mut self, made: Instant, now: Instant) {
        if now.duration_since(made) >= STEADY {
            self.failed = 0;
        }
    }

    /// Adds servers, each as `HOST:PORT`, of which a server has told.
    pub(super) fn discovered(&mut self, urls: &[String]) {
        let tls = self.options.servers.iter().any(|server| server.tls);
        for url in urls {
            let Some((host, port)) = url.rsplit_once(':') else { continue };
            let Ok(port) = port.parse() else { continue };
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
            let is_known = self.servers.iter().any(|server| server.host == host && server.port == port);
            if !is_known && !host.is_empty() && self.servers.len() < MAX_SERVERS {
                self.servers.push(NatsServer { host, port, tls });
            }
        }
    }
}

fn random_below(bound: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
    let place = (fraction() * bound as f64) as usize;
    place.min(bound - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(urls: &str) -> Pool {
        Pool::new(&NatsOptions::new(urls).expect("it is valid"))
    }

    #[test]
    fn all_servers_are_tried_before_a_pause_and_pauses_grow() {
        let mut pool = pool("a,b,c");
        let mut ceiling = Duration::from_millis(100);
        for _ in 0..3 {
            let (_, pause) = pool.next();
            assert_eq!(pause, Duration::ZERO);
        }
        for _ in 0..12 {
            let (_, pause) = pool.next();
            assert!(ceiling / 2 <= pause && pause <= ceiling, "{pause:?} of {ceiling:?}");
            assert_eq!((pool.next().1, pool.next().1), (Duration::ZERO, Duration::ZERO));
            ceiling = (ceiling * 2).min(Duration::from_secs(10));
        }
    }

    #[test]
    fn servers_are_tried_in_turn() {
        let mut pool = pool("a,b,c");
        let mut hosts = || -> Vec<String> { (0..3).map(|_| pool.next().0.host).collect() };
        let round = hosts();
        assert_eq!(hosts(), round);
        let mut sorted = round;
        sorted.sort();
        assert_eq!(sorted, ["a", "b", "c"]);
    }

    #[test]
    fn each_order_of_the_servers_is_as_likely() {
        let first_round = |_| {
            let mut pool = pool("a,b,c");
            [pool.next().0.host, pool.next().0.host, pool.next().0.host].concat()
        };
        let orders: std::collections::BTreeSet<String> = (0..1_000).map(first_round).collect();
        assert_eq!(orders.into_iter().collect::<Vec<_>>(), ["abc", "acb", "bac", "bca", "cab", "cba"]);
    }

    #[test]
    fn a_connection_that_lasts_ends_the_pauses() {
        let mut pool = pool("a");
        let made = crate::io::clock::monotonic();
        pool.next();
        pool.lost(made, made + Duration::from_secs(4));
        assert!(pool.next().1 > Duration::ZERO);
        pool.lost(made, made + STEADY);
        assert_eq!(pool.next().1, Duration::ZERO);
    }

    #[test]
    fn servers_of_which_a_server_tells_are_tried_too() {
        let mut pool = pool("tls://a:1");
        let urls = ["a:1", "b:2", "[::1]:3", "x", ":4", "y:port"].map(str::to_owned);
        pool.discovered(&urls);
        pool.discovered(&(0..100).map(|port| format!("c:{port}")).collect::<Vec<_>>());
        assert_eq!(pool.servers.len(), MAX_SERVERS);
        let found = |host: &str, port| NatsServer { host: host.to_owned(), port, tls: true };
        assert_eq!(pool.servers[..3], [found("a", 1), found("b", 2), found("::1", 3)]);
    }
}
