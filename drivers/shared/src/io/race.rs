//! The order and the times of the attempts to reach a host that has several addresses (RFC 8305, "Happy Eyeballs").

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an attempt is alone before the next address is tried as well (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How many addresses of a host are tried.
const MAX_ADDRESSES: usize = 32;

/// Decides which address is tried when. An address that is silent holds up the next one for 250 ms, and one that fails not at
/// all. The first connection wins.
#[derive(Debug)]
pub(super) struct Race {
    waiting: VecDeque<SocketAddr>,
    running: usize,
    /// When the next attempt starts, if one is running; `None` if at once.
    next: Option<Instant>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Try this address, beside those that are being tried.
    Start(SocketAddr),
    /// Wait until an attempt ends, or until this time.
    Wait(Option<Instant>),
    /// Give up: every attempt has failed.
    Lost,
}

impl Race {
    /// Takes the addresses in the order in which the system prefers them, and tries both families in turn (RFC 8305 §4).
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Race {
        let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
        let (first, other): (Vec<_>, Vec<_>) =
            addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
        let (mut first, mut other) = (first.into_iter(), other.into_iter());
        let mut waiting = VecDeque::new();
        while waiting.len() < MAX_ADDRESSES {
            let before = waiting.len();
            waiting.extend(first.next());
            waiting.extend(other.next());
            if waiting.len() == before {
                break;
            }
        }
        Race { waiting, running: 0, next: None }
    }

    /// Returns what to do at this time.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        if self.waiting.is_empty() {
            return if self.running == 0 { Step::Lost } else { Step::Wait(None) };
        }
        match self.next {
            Some(at) if self.running > 0 && now < at => Step::Wait(Some(at)),
            _ => match self.waiting.pop_front() {
                Some(address) => {
                    self.running += 1;
                    self.next = Some(now + ATTEMPT_DELAY);
                    Step::Start(address)
                }
                None => Step::Lost,
            },
        }
    }

    /// Notes that the time has come which [`Step::Wait`] has named.
    pub(super) fn waited(&mut self) {
        self.next = None;
    }

    /// Notes that an attempt has failed. The next one starts at once.
    pub(super) fn failed(&mut self) {
        self.running = self.running.saturating_sub(1);
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::clock::monotonic;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn families_are_tried_in_turn_beginning_with_the_preferred_one() {
        let six = ["[fd00::1]:1", "[fd00::2]:1", "[fd00::3]:1"].map(address);
        let four = ["10.0.0.1:1", "10.0.0.2:1"].map(address);
        let all = [&six[..], &four].concat();
        assert_eq!(Race::new(all).waiting, [six[0], four[0], six[1], four[1], six[2]]);
        assert_eq!(Race::new(vec![four[0], six[0], six[1]]).waiting, [four[0], six[0], six[1]]);
    }

    #[test]
    fn a_silent_address_holds_up_the_next_one_for_a_quarter_of_a_second() {
        let [a, b] = ["10.0.0.1:1", "10.0.0.2:1"].map(address);
        let start = monotonic();
        let mut race = Race::new(vec![a, b]);
        assert_eq!(race.step(start), Step::Start(a));
        let at = start + ATTEMPT_DELAY;
        assert_eq!(race.step(start), Step::Wait(Some(at)));
        assert_eq!(race.step(at), Step::Start(b));
        assert_eq!(race.step(at), Step::Wait(None), "there is no further address");
        race.failed();
        assert_eq!(race.step(at), Step::Wait(None), "the other one may still answer");
        race.failed();
        assert_eq!(race.step(at), Step::Lost);
    }

    #[test]
    fn an_address_that_fails_holds_up_nothing() {
        let [a, b, c] = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"].map(address);
        let start = monotonic();
        let mut race = Race::new(vec![a, b, c]);
        assert_eq!(race.step(start), Step::Start(a));
        race.failed();
        assert_eq!(race.step(start), Step::Start(b));
        assert_eq!(race.step(start), Step::Wait(Some(start + ATTEMPT_DELAY)));
        race.waited();
        assert_eq!(race.step(start), Step::Start(c));
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let many = (0..1_000).map(|port| SocketAddr::from(([10, 0, 0, 1], port))).collect();
        assert_eq!(Race::new(many).waiting.len(), MAX_ADDRESSES);
        assert_eq!(Race::new(Vec::new()).step(monotonic()), Step::Lost);
    }
}
