//! The present token of an application.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_listener::Event;
use nuncio_core::caracal::BearerToken;
use nuncio_core::time::Time;
use tracing::{debug, warn};

use super::source::{Prepared, TokenFault};
use crate::caracal::http::HttpClient;
use crate::io::clock::{Clock, micros, timeout};
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
    expires_at: Option<Time>,
    replace_at: Option<Time>,
}

impl Held {
    /// Returns the token, if it is not the refused one and has not expired, and whether it is still to be used for some
    /// time.
    fn usable(&self, now: Time, refused: Option<&BearerToken>) -> Option<(BearerToken, bool)> {
        let held = self.token.as_ref().filter(|held| Some(&held.token) != refused)?;
        let is_after = |at: Option<Time>| at.is_some_and(|at| now >= at);
        (!is_after(held.expires_at)).then(|| (held.token.clone(), !is_after(held.replace_at)))
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
            lock(&self.held).token.as_ref().filter(|held| held.token == token).and_then(|held| held.expires_at);
        Ok((token, expires_at))
    }

    /// Returns a token that has not expired. If it does so soon, the next one is fetched meanwhile.
    pub(crate) async fn valid(self: &Arc<Self>) -> Result<BearerToken, TokenFault> {
        self.token(None, true).await
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
        if let Some((token, true)) = lock(&self.held).usable(self.clock.now(), refused) {
            return Ok(token);
        }
        let mut awaited = None;
        loop {
            let landed = self.landed.listen();
            {
                let mut held = lock(&self.held);
                let usable = held.usable(self.clock.now(), refused);
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
            let fetching = tokens.source.fetch(&tokens.http, tokens.clock);
            let fetched = timeout(&*tokens.thread, tokens.limit, fetching).await.unwrap_or(Err(TokenFault::Late));
            tokens.land(fetched);
        }));
    }

    fn land(&self, fetched: Result<(BearerToken, Option<Time>), TokenFault>) {
        let now = self.clock.now();
        let fetched = fetched.and_then(|(token, expires_at)| {
            let lifetime = expires_at.map(|at| at.since(now));
            if lifetime == Some(0) {
                return Err(if self.source.is_fixed() { TokenFault::Fixed } else { TokenFault::Expired });
            }
            let margin = micros(self.margin);
            let used = lifetime.map(|lifetime| lifetime.saturating_sub(margin.min(lifetime / 2)));
            Ok(Token { token, expires_at, replace_at: used.map(|used| now.plus_micros(used)) })
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
