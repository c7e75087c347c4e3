//! The keys of an issuer, fetched for a zone and cached.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use event_listener::Event;
use jsonwebtoken::{Algorithm, DecodingKey};
use nuncio_core::caracal::ZoneId;
use nuncio_link::http::{Request, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::warn;

use super::fault::MandateFault;
use crate::auth::{JwtKey, choose, read_keys};
use crate::caracal::http::HttpClient;
use crate::caracal::http::origin::Endpoint;
use crate::io::clock::monotonic;
use crate::io::sync::lock;
use crate::io::{Driver, Io as _, Sanitized};

/// How long keys are used before they are fetched again.
const LIFETIME: Duration = Duration::from_mins(5);
/// Keys are fetched because of an unknown `kid`, or after a failure, at most this often.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 << 10;
const PATH: &str = "/.well-known/jwks.json";

/// The keys of an issuer for a zone. Those that were fetched before stay valid while no others can be fetched.
pub(super) struct Keys<D: Driver> {
    url: String,
    http: HttpClient<D>,
    thread: Arc<D::Thread>,
    limit: Duration,
    held: Mutex<Held>,
    landed: Event,
}

#[derive(Default)]
struct Held {
    keys: Arc<[JwtKey]>,
    /// When they were fetched last, or could not be.
    at: Option<Instant>,
    is_flying: bool,
    fault: Option<String>,
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
        Arc::new(Keys { url, http, thread, limit, held: Mutex::default(), landed: Event::new() })
    }

    /// Returns the key with a `kid`, which is fetched if it is not known.
    pub(super) async fn find(self: &Arc<Self>, kid: &str) -> Result<DecodingKey, MandateFault> {
        loop {
            let landed = self.landed.listen();
            {
                let mut held = lock(&self.held);
                let age = held.at.map(|at| monotonic().duration_since(at));
                let found = choose(&held.keys, Some(kid), Algorithm::ES256);
                let is_recent = |limit: Duration| age.is_some_and(|age| age < limit);
                match (found, &held.fault) {
                    (Ok(key), _) if is_recent(LIFETIME) || held.is_flying => return Ok(key.key),
                    (Ok(key), Some(_)) if is_recent(PAUSE) => return Ok(key.key),
                    (Err(_), Some(fault)) if is_recent(PAUSE) && !held.is_flying => {
                        return Err(MandateFault::Keys(fault.clone()));
                    }
                    (Err(error), None) if is_recent(PAUSE) && !held.is_flying => {
                        return Err(MandateFault::Token(error));
                    }
                    _ => {}
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
        held.at = Some(monotonic());
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
