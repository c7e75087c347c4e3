//! The present token of an application.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_listener::Event;
use nuncio_core::caracal::BearerToken;
use nuncio_core::time::Time;
use tracing::{debug, warn};

use super::source::{Prepared, TokenFault};
use crate::caracal::http::HttpClient;
use crate::io::clock::{Clock, Reading, micros, timeout};
use crate::io::sync::lock;
use crate::io::{Driver, Io as _, Sanitized};

/// The present token, and how the next one is fetched.
pub(crate) struct Tokens<D: Driver> {
    source: Prepared,
    http: HttpClient<D>,
    thread: Arc<D::Thread>,
    clock: Clock,
    /// How long before its expiry a token is replaced, at most half of its lifetime.
    margin: Duration,
    /// How long a token may be waited for.
    limit: Duration,
    held: Mutex<Held>,
    /// A flight has ended.
    landed: Event,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// The number of the flight that fetches a token, or of the next one.
    flight: u64,
    is_flying: bool,
    /// How the last flight ended.
    fault: Option<TokenFault>,
}

struct Token {
    token: BearerToken,
    expiry: Option<Expiry>,
}

/// When a token expires, and when it is to be replaced.
#[derive(Clone, Copy, Debug)]
struct Expiry {
    /// When it expires by the wall clock.
    at: Time,
    /// When it would expire if the wall clock were not set.
    over: Time,
    /// How long before that it is to be replaced, in microseconds.
    margin: u64,
}

impl Expiry {
    /// Returns the expiry of a token that expires at `at`; `None` if it has expired.
    fn new(at: Time, margin: Duration, clock: Reading) -> Option<Expiry> {
        let lifetime = at.since(clock.wall);
        let expiry = Expiry { at, over: clock.now.plus_micros(lifetime), margin: micros(margin).min(lifetime / 2) };
        (lifetime > 0).then_some(expiry)
    }

    /// Whether the token expires within some microseconds. It expires once the wall clock shows that, and no later than if that
    /// had not been set back.
    fn is_within(self, micros: u64, clock: Reading) -> bool {
        clock.wall.plus_micros(micros) >= self.at || clock.now.plus_micros(micros) >= self.over
    }
}

impl Token {
    /// Returns whether it is not to be replaced yet.
    fn is_lasting(&self, clock: &Clock) -> bool {
        self.expiry.is_none_or(|expiry| !expiry.is_within(expiry.margin, clock.glance()))
    }
}

impl Held {
    /// Returns the token, if it is not the refused one and has not expired, and whether it is still to be used for some
    /// time.
    fn usable(&self, clock: Reading, refused: Option<&BearerToken>) -> Option<(BearerToken, bool)> {
        let held = self.token.as_ref().filter(|held| Some(&held.token) != refused)?;
        let Some(expiry) = held.expiry else { return Some((held.token.clone(), true)) };
        (!expiry.is_within(0, clock)).then(|| (held.token.clone(), !expiry.is_within(expiry.margin, clock)))
    }
}

impl<D: Driver> Tokens<D> {
    pub(crate) fn new(
        source: Prepared,
        http: HttpClient<D>,
        thread: Arc<D::Thread>,
        clock: Clock,
        margin: Duration,
        limit: Duration,
    ) -> Arc<Tokens<D>> {
        let held = Mutex::default();
        Arc::new(Tokens { source, http, thread, clock, margin, limit, held, landed: Event::new() })
    }

    /// Returns a token other than the refused one, which is to be used for some time. If no other one can be fetched, it
    /// is the present one as long as it has not expired. The time is when it expires, if that is known.
    pub(crate) async fn fresh(
        self: &Arc<Self>,
        refused: Option<&BearerToken>,
    ) -> Result<(BearerToken, Option<Time>), TokenFault> {
        let token = self.token(refused, false).await?;
        let expires_at =
            lock(&self.held).token.as_ref().filter(|held| held.token == token).and_then(|held| held.expiry);
        Ok((token, expires_at.map(|expiry| expiry.at)))
    }

    /// Returns a token that has not expired. If it does so soon, the next one is fetched meanwhile.
    pub(crate) async fn valid(self: &Arc<Self>) -> Result<BearerToken, TokenFault> {
        self.token(None, true).await
    }

    /// Returns whether a token is the present one, and is still to be used for some time. Another one of the same text is not.
    pub(crate) fn is_lasting(&self, token: &BearerToken) -> bool {
        let held = lock(&self.held);
        held.token.as_ref().is_some_and(|held| held.token.is_same(token) && held.is_lasting(&self.clock))
    }

    /// Returns why the last attempt to fetch a token has failed.
    pub(crate) fn fault(&self) -> Option<TokenFault> {
        lock(&self.held).fault.clone()
    }

    async fn token(
        self: &Arc<Self>,
        refused: Option<&BearerToken>,
        takes_old: bool,
    ) -> Result<BearerToken, TokenFault> {
        if let Some((token, true)) = lock(&self.held).usable(self.clock.glance(), refused) {
            return Ok(token);
        }
        let mut awaited = None;
        loop {
            let landed = self.landed.listen();
            {
                let mut held = lock(&self.held);
                let usable = held.usable(self.clock.glance(), refused);
                let has_landed = awaited.is_some_and(|flight| held.flight > flight);
                match usable {
                    Some((token, true)) => return Ok(token),
                    Some((token, false)) if takes_old || has_landed => {
                        if !has_landed {
                            self.fly(&mut held);
                        }
                        return Ok(token);
                    }
                    None if has_landed => return Err(held.fault.clone().unwrap_or(TokenFault::Expired)),
                    Some(_) | None => {}
                }
                awaited = awaited.or(Some(held.flight));
                self.fly(&mut held);
            }
            landed.await;
        }
    }

    /// Fetches a token on the driver's thread, unless one is being fetched.
    fn fly(self: &Arc<Self>, held: &mut Held) {
        if held.is_flying {
            return;
        }
        held.is_flying = true;
        let tokens = Arc::clone(self);
        self.thread.spawn(Box::pin(async move {
            let fetching = tokens.source.fetch(&tokens.http);
            let fetched = timeout(&*tokens.thread, tokens.limit, fetching).await.unwrap_or(Err(TokenFault::Late));
            tokens.land(fetched);
        }));
    }

    fn land(&self, fetched: Result<(BearerToken, Option<Time>), TokenFault>) {
        let clock = self.clock.read();
        let fetched = fetched.and_then(|(token, expires_at)| {
            let Some(at) = expires_at else { return Ok(Token { token, expiry: None }) };
            let expired = if self.source.is_fixed() { TokenFault::Fixed } else { TokenFault::Expired };
            let expiry = Expiry::new(at, self.margin, clock).ok_or(expired)?;
            Ok(Token { token, expiry: Some(expiry) })
        });
        let mut held = lock(&self.held);
        held.is_flying = false;
        held.flight = held.flight.saturating_add(1);
        held.fault = match fetched {
            Ok(token) => {
                // A fixed token that was refused is the same again.
                let is_same = held.token.as_ref().is_some_and(|held| held.token == token.token);
                held.token = Some(token);
                (is_same && self.source.is_fixed()).then_some(TokenFault::Fixed)
            }
            Err(fault) => {
                warn!(fault = %Sanitized(&fault), "there is no new token");
                Some(fault)
            }
        };
        debug!(has_failed = held.fault.is_some(), "a token was asked for");
        drop(held);
        self.landed.notify(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_700_000_000_000_000);

    fn clock(passed: u64, ahead: i64) -> Reading {
        let now = NOW.plus_secs(passed);
        Reading { now, wall: Time(now.0.saturating_add_signed(ahead * 1_000_000)) }
    }

    #[test]
    fn a_token_expires_by_the_wall_clock_and_no_later_than_if_that_is_set_back() {
        let margin = Duration::from_mins(1);
        let expiry = Expiry::new(NOW.plus_secs(600), margin, clock(0, 0)).expect("it is valid");
        let state = |clock: Reading| (expiry.is_within(0, clock), expiry.is_within(expiry.margin, clock));
        assert_eq!(state(clock(539, 0)), (false, false));
        assert_eq!(state(clock(540, 0)), (false, true));
        assert_eq!(state(clock(600, 0)), (true, true));
        assert_eq!(state(clock(1, 538)), (false, false));
        assert_eq!(state(clock(1, 539)), (false, true));
        assert_eq!(state(clock(1, 3_600)), (true, true));
        assert_eq!(state(clock(539, -3_600)), (false, false));
        assert_eq!(state(clock(540, -3_600)), (false, true));
        assert_eq!(state(clock(600, -3_600)), (true, true));
        assert!(Expiry::new(NOW.plus_secs(600), margin, clock(0, 600)).is_none());
    }
}
