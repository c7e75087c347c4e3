//! Sessions and edges that are open: [`Scope`] and [`Delegation`](delegate::Delegation).

pub(crate) mod delegate;
pub(crate) mod spawn;

use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_channel::oneshot;
use futures_lite::FutureExt as _;
use nuncio_core::caracal::{ClientEvent, ClientRefused, CreatedEdge, Kind, Lease, SessionId};
use tracing::warn;

use super::app::Owner;
use super::context::ActiveContext;
use super::error::CallError;
use super::event::event;
use crate::io::{Driver, Sanitized};

/// An open session. It is terminated when it ends: by [`run`](Scope::run), by [`close`](Scope::close), or when it is
/// dropped.
///
/// A dropped scope hands its termination to the driver's thread, which needs no further await;
/// [`Caracal::close`](super::Caracal::close) awaits it. A session of the kind [`Kind::Service`] is terminated by `close`
/// alone.
pub struct Scope<D: Driver> {
    owner: Arc<Owner<D>>,
    context: ActiveContext,
    session: SessionId,
    kind: Kind,
    lease: Option<Lease>,
    edge: Option<CreatedEdge>,
    is_open: bool,
}

impl<D: Driver> Scope<D> {
    /// Returns the context of the session, in which futures can run that do not end it.
    pub fn context(&self) -> &ActiveContext {
        &self.context
    }

    /// Returns the session.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// Returns the edge into the session, if it was opened with one.
    pub fn edge(&self) -> Option<&CreatedEdge> {
        self.edge.as_ref()
    }

    /// Returns the lease of a service, which the driver renews.
    pub fn lease(&self) -> Option<Lease> {
        self.lease
    }

    /// Runs a future in the session's context, then terminates the session, and returns the future's output.
    ///
    /// The session is terminated also if the future panics, which continues afterwards, and if the returned future is
    /// dropped. A termination that fails never replaces the output: it is logged, and the session ends with its lifetime.
    pub async fn run<T>(mut self, body: impl Future<Output = T>) -> T {
        let output = AssertUnwindSafe(self.context.run(body)).catch_unwind().await;
        if self.kind == Kind::Service {
            self.is_open = false;
        } else if let Err(error) = self.terminated().await {
            warn!(session = %Sanitized(&self.session), error = %Sanitized(&error), "a session is not terminated; it ends with its lifetime");
        }
        output.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Terminates the session, also that of a service, and awaits the coordinator's answer.
    pub async fn close(mut self) -> Result<(), CallError> {
        self.terminated().await
    }

    /// Leaves the session open, for a process that attaches to it later, and returns its id.
    pub fn leave(mut self) -> SessionId {
        self.is_open = false;
        self.session.clone()
    }

    async fn terminated(&mut self) -> Result<(), CallError> {
        let answer = event(self.terminate()?).await?;
        match answer {
            ClientEvent::Terminated { .. } => Ok(()),
            other => Err(CallError::of_event(&self.owner.hub, other)),
        }
    }

    /// Asks for the termination, once.
    fn terminate(&mut self) -> Result<oneshot::Receiver<ClientEvent>, ClientRefused> {
        self.is_open = false;
        self.owner.hub.hooks.ending(&self.context);
        self.owner.hub.ask(|client, now| client.terminate(now, self.session.clone()))
    }
}

impl<D: Driver> Drop for Scope<D> {
    fn drop(&mut self) {
        if self.is_open
            && self.kind != Kind::Service
            && let Err(refused) = self.terminate()
        {
            warn!(session = %Sanitized(&self.session), error = %Sanitized(&refused), "a session is not terminated; it ends with its lifetime");
        }
    }
}

impl<D: Driver> fmt::Debug for Scope<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("session", &self.session)
            .field("kind", &self.kind)
            .field("edge", &self.edge)
            .finish_non_exhaustive()
    }
}
