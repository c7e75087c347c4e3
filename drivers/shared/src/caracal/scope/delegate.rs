//! Edges to create, and edges that calls are made by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::caracal::{
    ApplicationId, ClientEvent, Constraints, CreatedEdge, Delegate, EdgeId, Generation, Revoked, SessionId,
    TooManyHops, Ttl,
};

use crate::caracal::app::env::ttl_of;
use crate::caracal::app::{Owner, Settings};
use crate::caracal::context::{ActiveContext, InContext};
use crate::caracal::error::CallError;
use crate::caracal::event::event;
use crate::io::{BoxFuture, Driver};

/// An edge to create, from the session of the present context to another one. Awaiting it creates the edge and returns the
/// [`Delegation`].
#[must_use = "nothing is delegated before it is awaited"]
pub struct DelegateBuilder<D: Driver> {
    owner: Arc<Owner<D>>,
    from: Option<ActiveContext>,
    target: SessionId,
    receiver: ApplicationId,
    scopes: Vec<Box<str>>,
    parent_edge: Option<EdgeId>,
    constraints: Option<Constraints>,
    ttl: Result<Option<Ttl>, CallError>,
}

impl<D: Driver> DelegateBuilder<D> {
    pub(in crate::caracal) fn new(owner: Arc<Owner<D>>, target: SessionId) -> DelegateBuilder<D> {
        let receiver = owner.settings.application.clone();
        DelegateBuilder {
            owner,
            from: None,
            target,
            receiver,
            scopes: Vec::new(),
            parent_edge: None,
            constraints: None,
            ttl: Ok(None),
        }
    }

    /// Sets the context whose session delegates, in place of the present one.
    pub fn from(mut self, context: &ActiveContext) -> DelegateBuilder<D> {
        self.from = Some(context.clone());
        self
    }

    /// Sets the application that the other session belongs to. Default: this one.
    pub fn application(mut self, application: ApplicationId) -> DelegateBuilder<D> {
        self.receiver = application;
        self
    }

    /// Sets the scopes that are passed on.
    pub fn scopes<T: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = T>) -> DelegateBuilder<D> {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the limits of the edge.
    pub fn constraints(mut self, constraints: Constraints) -> DelegateBuilder<D> {
        self.constraints = Some(constraints);
        self
    }

    /// Sets the lifetime of the edge: 1 second to 1 day, in whole seconds, rounded up. It or
    /// [`Constraints::expires_at`] is required by coordinators.
    pub fn ttl(mut self, lifetime: Duration) -> DelegateBuilder<D> {
        self.ttl = ttl_of(lifetime).map(Some).ok_or(CallError::Ttl);
        self
    }

    /// Sets the edge that the delegating session itself acts by, for coordinators of the generation 1.0. Default: that of
    /// the context.
    pub fn parent_edge(mut self, edge: EdgeId) -> DelegateBuilder<D> {
        self.parent_edge = Some(edge);
        self
    }

    /// Creates the edge and runs a future whose calls are made by it, as [`Delegation::run`] does.
    pub async fn run<T>(self, body: impl Future<Output = T>) -> Result<T, CallError> {
        Ok(self.await?.run(body).await)
    }

    async fn create(self) -> Result<Delegation<D>, CallError> {
        let DelegateBuilder { owner, from, target, receiver, scopes, parent_edge, constraints, ttl } = self;
        let Settings { application, generation, hop_limit, .. } = &owner.settings;
        let context = from.or_else(|| owner.own_current()).ok_or(CallError::NoSession)?;
        let source = context.parent().cloned().ok_or(CallError::NoSession)?;
        // Checked before, so that no edge is created that could not be used.
        if context.hop() >= *hop_limit {
            return Err(TooManyHops { hop: context.hop().next(), limit: *hop_limit }.into());
        }
        let acting_edge = || context.edge().cloned().filter(|_| *generation == Generation::Head);
        let delegate = Delegate {
            issuer: application.clone(),
            source,
            target,
            receiver,
            scopes,
            parent_edge: parent_edge.or_else(acting_edge),
            constraints,
            ttl: ttl?,
        };
        let created = owner.hub.ask(|client, now| client.delegate(now, delegate))?;
        match event(created).await? {
            ClientEvent::Delegated { edge, .. } => {
                let delegated = context.delegated(edge.edge.clone(), *hop_limit)?;
                let context = context.followed_by(delegated);
                Ok(Delegation { owner, context, edge })
            }
            other => Err(CallError::of_event(&owner.hub, other)),
        }
    }
}

impl<D: Driver> IntoFuture for DelegateBuilder<D> {
    type Output = Result<Delegation<D>, CallError>;
    type IntoFuture = BoxFuture<'static, Result<Delegation<D>, CallError>>;

    /// The context is the one in which the future is first polled, unless another one is set.
    fn into_future(self) -> BoxFuture<'static, Result<Delegation<D>, CallError>> {
        Box::pin(self.create())
    }
}

impl<D: Driver> fmt::Debug for DelegateBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelegateBuilder")
            .field("target", &self.target)
            .field("receiver", &self.receiver)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// An edge to another session. It stays until it expires or is revoked, also if this is dropped.
pub struct Delegation<D: Driver> {
    owner: Arc<Owner<D>>,
    context: ActiveContext,
    edge: CreatedEdge,
}

impl<D: Driver> Delegation<D> {
    /// Returns the context in which calls are made by the edge.
    pub fn context(&self) -> &ActiveContext {
        &self.context
    }

    /// Returns the edge.
    pub fn edge(&self) -> &CreatedEdge {
        &self.edge
    }

    /// Returns the context in which a request that this service has received is passed on by the edge: that of its caller,
    /// with the edge after the one that the request came by, and one hop more.
    pub fn context_after(&self, received: &ActiveContext) -> Result<ActiveContext, CallError> {
        let delegated = received.delegated(self.edge.edge.clone(), self.owner.settings.hop_limit)?;
        Ok(received.followed_by(delegated))
    }

    /// Returns a future whose calls are made by the edge.
    pub fn run<F: Future>(&self, body: F) -> InContext<F> {
        self.context.run(body)
    }

    /// Revokes the edge, those that follow it, and the sessions at their ends.
    pub async fn revoke(self) -> Result<Revoked, CallError> {
        let revoked = self.owner.hub.ask(|client, now| client.revoke(now, self.edge.edge.clone()))?;
        match event(revoked).await? {
            ClientEvent::Revoked { revoked, .. } => Ok(revoked),
            other => Err(CallError::of_event(&self.owner.hub, other)),
        }
    }
}

impl<D: Driver> fmt::Debug for Delegation<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delegation").field("edge", &self.edge).finish_non_exhaustive()
    }
}
