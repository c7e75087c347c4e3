//! The calls of an application that open no scope.

use std::sync::Arc;

use nuncio_core::caracal::{ClientEvent, EdgeId, InboundEdge, Lease, NewEdge, Revoked, SessionId};

use super::{Caracal, new_trace};
use crate::caracal::context::ActiveContext;
use crate::caracal::error::CallError;
use crate::caracal::event::event;
use crate::caracal::scope::delegate::DelegateBuilder;
use crate::caracal::scope::spawn::SpawnBuilder;
use crate::io::Driver;

impl<D: Driver> Caracal<D> {
    /// Returns a session to open: below that of the present context if it is one of this application.
    pub fn spawn(&self) -> SpawnBuilder<D> {
        SpawnBuilder::new(Arc::clone(&self.owner), None)
    }

    /// Returns a session to open below that of the present context, together with an edge into it. If the edge cannot be
    /// created, the session is terminated again.
    pub fn delegate_to_spawn(&self, edge: NewEdge) -> SpawnBuilder<D> {
        SpawnBuilder::new(Arc::clone(&self.owner), Some(edge))
    }

    /// Returns an edge to create, from the session of the present context to another session.
    pub fn delegate(&self, to: SessionId) -> DelegateBuilder<D> {
        DelegateBuilder::new(Arc::clone(&self.owner), to)
    }

    /// Returns the context of an open session of this application, such as one that another process has left. Nothing is
    /// asked of the coordinator, and the session does not end with the context.
    ///
    /// ```no_run
    /// # use nuncio_shared::caracal::{Caracal, SessionId};
    /// # async fn attached(caracal: Caracal<nuncio_smol::Smol>) -> Result<(), Box<dyn std::error::Error>> {
    /// let context = caracal.attach(SessionId::new("s-1")?).await?;
    /// let delegation = caracal.delegate(SessionId::new("s-2")?).from(&context).scopes(["read"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn attach(&self, session: SessionId) -> Result<ActiveContext, CallError> {
        let outside = self.owner.outside().await?;
        Ok(ActiveContext::own(outside.spawned(outside.token().clone(), session, new_trace()?)))
    }

    /// Revokes an edge, those that follow it, and the sessions at their ends.
    pub async fn revoke(&self, edge: EdgeId) -> Result<Revoked, CallError> {
        let revoked = self.owner.hub.ask(|client, now| client.revoke(now, edge))?;
        match event(revoked).await? {
            ClientEvent::Revoked { revoked, .. } => Ok(revoked),
            other => Err(CallError::of_event(&self.owner.hub, other)),
        }
    }

    /// Lists the edges into a session.
    pub async fn inbound(&self, session: SessionId) -> Result<Vec<InboundEdge>, CallError> {
        let inbound = self.owner.hub.ask(|client, now| client.inbound(now, session))?;
        match event(inbound).await? {
            ClientEvent::Inbound { edges, .. } => Ok(edges),
            other => Err(CallError::of_event(&self.owner.hub, other)),
        }
    }

    /// Terminates a session and those below it. Returns whether it had ended before.
    pub async fn terminate(&self, session: SessionId) -> Result<bool, CallError> {
        let terminated = self.owner.hub.ask(|client, now| client.terminate(now, session))?;
        match event(terminated).await? {
            ClientEvent::Terminated { before, .. } => Ok(before),
            other => Err(CallError::of_event(&self.owner.hub, other)),
        }
    }

    /// Takes the lease of a service over, whose former holder is fenced off, and renews it from now on. Only coordinators
    /// of the generation 1.0 have leases.
    pub async fn acquire_lease(&self, session: SessionId) -> Result<Lease, CallError> {
        let acquired = self.owner.hub.ask(|client, now| client.acquire_lease(now, session))?;
        match event(acquired).await? {
            ClientEvent::LeaseAcquired { lease, .. } => Ok(lease),
            other => Err(CallError::of_event(&self.owner.hub, other)),
        }
    }
}
