//! An application: [`Caracal`].

pub(crate) mod builder;
mod calls;
pub(crate) mod env;
pub(crate) mod error;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::caracal::{ApplicationId, Context, Envelope, Generation, Hop, Kind, Routes, Trace, Ttl, ZoneId};
use nuncio_core::trace::TraceId;

use super::context::{ActiveContext, current};
use super::error::CallError;
use super::hub::Hub;
#[cfg(feature = "tls")]
use crate::auth::{ClientTls, TlsError};
use crate::io::{BoxFuture, Driver, Io as _, random};

/// An application that acts by the sessions and edges of a coordinator. Clones are the same application.
///
/// Its calls and tokens are handled on a thread of its own, or one that it is given. Dropping the last clone and the last
/// scope lets this thread send the terminations that wait; [`close`](Caracal::close) awaits them. If neither happens, as
/// when the process is killed, a session ends with its lifetime.
///
/// ```no_run
/// use nuncio_shared::caracal::{Caracal, Kind};
/// use nuncio_smol::Smol;
/// use std::time::Duration;
///
/// # futures_lite::future::block_on(async {
/// let caracal = Caracal::<Smol>::from_env()?;
/// let scope = caracal.spawn().kind(Kind::Ephemeral).ttl(Duration::from_secs(120)).await?;
/// let headers = scope.run(async { caracal.headers().await }).await?;
/// assert!(headers.get("baggage").is_some());
/// caracal.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Caracal<D: Driver> {
    pub(super) owner: Arc<Owner<D>>,
}

/// Closes the hub with the last handle.
pub(crate) struct Owner<D: Driver> {
    pub(super) hub: Arc<Hub<D>>,
    pub(super) settings: Settings,
}

/// The settings of an application.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) zone: ZoneId,
    pub(super) application: ApplicationId,
    pub(super) generation: Generation,
    pub(super) routes: Routes,
    pub(super) hop_limit: Hop,
    pub(super) kind: Kind,
    pub(super) ttl: Option<Ttl>,
    pub(super) request_timeout: Duration,
}

impl<D: Driver> Caracal<D> {
    /// Returns the zone.
    pub fn zone(&self) -> &ZoneId {
        &self.owner.settings.zone
    }

    /// Returns the application that this program runs as.
    pub fn application(&self) -> &ApplicationId {
        &self.owner.settings.application
    }

    /// Returns the context that the calling code runs in, the same as [`current`].
    pub fn current(&self) -> Option<ActiveContext> {
        current()
    }

    /// Returns the TLS configuration that the application uses for `https://`, for other clients of its services: the one of
    /// [`CaracalBuilder::tls`](super::CaracalBuilder::tls), or one that trusts the authorities of the system.
    #[cfg(feature = "tls")]
    pub fn client_tls(&self) -> Result<ClientTls, TlsError> {
        self.owner.hub.http.tls()
    }

    /// Returns whether a context is one of this application.
    pub(crate) fn owns(&self, context: &Context) -> bool {
        self.owner.owns(context)
    }

    /// Returns the generation of the coordinator.
    pub(crate) fn generation(&self) -> Generation {
        self.owner.settings.generation
    }

    /// Runs a future on the application's thread.
    pub(crate) fn spawn_task(&self, task: BoxFuture<'static, ()>) {
        self.owner.hub.thread.spawn(task);
    }

    /// Sends the terminations that wait, awaits the answers to what is under way, and ends. Other calls fail from now on.
    ///
    /// Sessions whose scopes are still open go on until their lifetimes end.
    pub async fn close(&self) {
        self.owner.hub.close();
        self.owner.hub.closed().await;
    }
}

impl<D: Driver> Owner<D> {
    /// Returns the present context if it is one of this application.
    pub(super) fn own_current(&self) -> Option<ActiveContext> {
        current().filter(|context| self.owns(context))
    }

    pub(super) fn owns(&self, context: &Context) -> bool {
        let Settings { zone, application, .. } = &self.settings;
        context.zone() == zone && context.application() == application
    }

    /// Returns the context of a caller that this application acts for with a token of its own.
    pub(super) async fn acting_for(&self, caller: Envelope) -> Result<ActiveContext, CallError> {
        let token = self.hub.tokens.valid().await.map_err(CallError::NoToken)?;
        let Settings { zone, application, .. } = &self.settings;
        let caller = Envelope { token: Some(token.clone()), ..caller };
        let context = Context::inbound(zone.clone(), application.clone(), caller);
        // It has a token.
        Ok(ActiveContext::own(context.unwrap_or_else(|_| Context::new(zone.clone(), application.clone(), token))))
    }

    /// Returns the application's context outside every session, in a new trace.
    pub(super) async fn outside(&self) -> Result<ActiveContext, CallError> {
        let token = self.hub.tokens.valid().await.map_err(CallError::NoToken)?;
        let Settings { zone, application, .. } = &self.settings;
        Ok(ActiveContext::own(Context::new(zone.clone(), application.clone(), token).with_trace(new_trace()?)))
    }
}

/// Returns a trace with a random id.
pub(super) fn new_trace() -> Result<Trace, CallError> {
    let bytes = random::id().map_err(|error| CallError::Random(error.to_string()))?;
    let id = TraceId::from_bytes(bytes).ok_or_else(|| CallError::Random("all its bits are zero".to_owned()))?;
    Ok(Trace::new(id))
}

impl<D: Driver> Drop for Owner<D> {
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl<D: Driver> Clone for Caracal<D> {
    fn clone(&self) -> Caracal<D> {
        Caracal { owner: Arc::clone(&self.owner) }
    }
}

impl<D: Driver> fmt::Debug for Caracal<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { zone, application, .. } = &self.owner.settings;
        f.debug_struct("Caracal").field("zone", zone).field("application", application).finish_non_exhaustive()
    }
}
