//! The keys of an issuer, fetched for a zone and cached.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use event_listener::Event;
use jsonwebtoken::{Algorithm, DecodingKey};
use nuncio_core::caracal::ZoneId;
use nuncio_core::time::Time;
use nuncio_link::http::{Request, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::warn;

use super::fault::MandateFault;
use crate::auth::{JwtKey, choose, read_keys};
use crate::caracal::http::HttpClient;
use crate::caracal::http::origin::Endpoint;
use crate::io::clock::{Clock, micros};
use crate::io::sync::lock;
use crate::io::{Driver, Io as _, Sanitized};

/// How long keys are used before they are fetched again.
const LIFETIME: Duration = Duration::from_mins(5);
/// Keys are fetched because of an unknown `kid` at most this often.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 << 10;
const PATH: &str = "/.well-known/jwks.json";

/// The keys of an issuer for a zone. Those that were fetched before stay valid while no others can be fetched.
pub(super) struct Keys<D: Driver> {
    url: String,
    http: HttpClient<D>,
    thread: Arc<D::Thread>,
    limit: Duration,
    clock: Clock,
    held: Mutex<Held>,
    landed: Event,
}

#[derive(Default)]
struct Held {
    keys: Arc<[JwtKey]>,
    /// When they were fetched last, or could not be.
    at: Option<Time>,
    is_flying: bool,
    fault: Option<String>,
}

impl Held {
    /// Returns the key with a `kid`, or why there is none; `None` if keys have to be fetched first.
    fn find(&self, kid: &str, now: Time) -> Option<Result<DecodingKey, MandateFault>> {
        let age = self.at.map(|at| now.since(at));
        let is_recent = |limit: Duration| age.is_some_and(|age| age < micros(limit));
        match (choose(&self.keys, Some(kid), Algorithm::ES256), &self.fault) {
            (Ok(key), _) if is_recent(LIFETIME) || self.is_flying => Some(Ok(key.key)),
            (Err(_), _) if self.is_flying => None,
            (Err(_), Some(fault)) if is_recent(PAUSE) => Some(Err(MandateFault::Keys(fault.clone()))),
            (Err(error), None) if is_recent(PAUSE) => Some(Err(MandateFault::Token(error))),
            _ => None,
        }
    }
}

impl<D: Driver> Keys<D> {
    /// `service` is the base URL of the token service, or the URL of its keys.
    pub(super) fn new(
        service: &Endpoint,
        zone: &ZoneId,
        http: HttpClient<D>,
        thread: Arc<D::Thread>,
        limit: Duration,
    ) -> Arc<Keys<D>> {
        let zone = utf8_percent_encode(zone.as_str(), NON_ALPHANUMERIC);
        let path = if service.ends_with(PATH) { "" } else { PATH };
        let url = service.url(&format!("{path}?zone_id={zone}"));
        let clock = Clock::start();
        Arc::new(Keys { url, http, thread, limit, clock, held: Mutex::default(), landed: Event::new() })
    }

    /// Returns the key with a `kid`, which is fetched if it is not known.
    pub(super) async fn find(self: &Arc<Self>, kid: &str) -> Result<DecodingKey, MandateFault> {
        loop {
            let landed = self.landed.listen();
            {
                let mut held = lock(&self.held);
                if let Some(found) = held.find(kid, self.clock.now()) {
                    return found;
                }
                if !held.is_flying {
                    held.is_flying = true;
                    let keys = Arc::clone(self);
                    self.thread.spawn(Box::pin(async move {
                        let fetched = keys.fetch().await;
                        keys.land(fetched);
                    }));
                }
            }
            landed.await;
        }
    }

    async fn fetch(&self) -> Result<Arc<[JwtKey]>, String> {
        let request = Request::get(&self.url).body(Bytes::new()).map_err(|error| error.to_string())?;
        let response = self.http.send(request, self.limit).await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer is {}", response.status().as_u16()));
        }
        if response.body().len() > MAX_BYTES {
            return Err("the keys have more than 256 KiB".to_owned());
        }
        read_keys(response.body()).map_err(|error| format!("the answer is no JSON Web Key Set: {error}"))
    }

    fn land(&self, fetched: Result<Arc<[JwtKey]>, String>) {
        let mut held = lock(&self.held);
        held.is_flying = false;
        held.at = Some(self.clock.now());
        match fetched {
            Ok(keys) => (held.keys, held.fault) = (keys, None),
            Err(fault) => {
                warn!(fault = %Sanitized(&fault), "the keys of the issuer could not be fetched; those that were fetched before stay valid");
                held.fault = Some(fault);
            }
        }
        drop(held);
        self.landed.notify(usize::MAX);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;

    const SET: &[u8] = br#"{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"known",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    const NOW: Time = Time(1_700_000_000_000_000);

    /// Returns what is found some microseconds after the keys were fetched: a key, a fault, or that they are fetched again.
    fn found(held: &Held, kid: &str, after: u64) -> &'static str {
        match held.find(kid, NOW.plus_micros(after)) {
            Some(Ok(_)) => "key",
            Some(Err(MandateFault::Keys(_))) => "fault",
            Some(Err(_)) => "unknown",
            None => "fetch",
        }
    }

    #[test]
    fn keys_are_fetched_again_after_five_minutes_and_for_an_unknown_key_after_five_seconds() {
        let (lifetime, pause) = (micros(LIFETIME), micros(PAUSE));
        let mut held = Held { keys: read_keys(SET).unwrap(), at: Some(NOW), ..Held::default() };
        assert_eq!(found(&Held::default(), "known", 0), "fetch");
        assert_eq!((found(&held, "known", lifetime - 1), found(&held, "known", lifetime)), ("key", "fetch"));
        assert_eq!((found(&held, "other", pause - 1), found(&held, "other", pause)), ("unknown", "fetch"));
        held.is_flying = true;
        assert_eq!((found(&held, "known", lifetime), found(&held, "other", 0)), ("key", "fetch"));
    }

    #[test]
    fn keys_stay_valid_while_no_others_can_be_fetched() {
        let (lifetime, pause) = (micros(LIFETIME), micros(PAUSE));
        let fault = Some("the answer is 503".to_owned());
        let held = Held { keys: read_keys(SET).unwrap(), at: Some(NOW), fault, ..Held::default() };
        assert_eq!((found(&held, "known", 0), found(&held, "known", lifetime)), ("key", "fetch"));
        assert_eq!((found(&held, "other", pause - 1), found(&held, "other", pause)), ("fault", "fetch"));
    }
}
