//! Sessions to open.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot;
use nuncio_core::caracal::{
    AuthorityId, ClientEvent, Context, Envelope, Kind, Metadata, NewEdge, SessionId, Spawn, TooManyHops, Trace, Ttl,
};
use serde::Serialize;

use super::Scope;
use crate::caracal::app::env::ttl_of;
use crate::caracal::app::{Owner, Settings, new_trace};
use crate::caracal::context::ActiveContext;
use crate::caracal::error::CallError;
use crate::caracal::hub::Hub;
use crate::caracal::hub::tasks::unawaited;
use crate::io::{BoxFuture, Driver};

/// A session to open. Awaiting it opens the session and returns its [`Scope`].
///
/// If the future is dropped before, a session that the coordinator opens nevertheless is terminated.
#[must_use = "nothing is opened before it is awaited"]
pub struct SpawnBuilder<D: Driver> {
    owner: Arc<Owner<D>>,
    above: Option<Above>,
    edge: Option<NewEdge>,
    kind: Kind,
    ttl: Result<Option<Ttl>, CallError>,
    metadata: Result<Option<Metadata>, CallError>,
    parent: Option<SessionId>,
    authority: Option<AuthorityId>,
    trace: Option<Trace>,
}

/// What the session is opened in, if that is not the present context.
enum Above {
    Context(ActiveContext),
    Caller(Box<Envelope>),
}

impl<D: Driver> SpawnBuilder<D> {
    pub(in crate::caracal) fn new(owner: Arc<Owner<D>>, edge: Option<NewEdge>) -> SpawnBuilder<D> {
        let Settings { kind, ttl, .. } = owner.settings;
        SpawnBuilder {
            owner,
            above: None,
            edge,
            kind,
            ttl: Ok(ttl),
            metadata: Ok(None),
            parent: None,
            authority: None,
            trace: None,
        }
    }

    /// Sets the context that it is opened in, in place of the present one. One of another application counts as none.
    pub fn from(mut self, context: &ActiveContext) -> SpawnBuilder<D> {
        self.above = Some(Above::Context(context.clone()));
        self
    }

    /// Sets the caller that it is opened for, in place of the present context. The session is a root, because the caller's
    /// session belongs to the caller; its context has the caller's trace, hops and baggage, and the caller's edge as its
    /// parent edge. The token is the application's own, whatever the caller has sent.
    pub fn on_behalf_of(mut self, caller: &Envelope) -> SpawnBuilder<D> {
        self.above = Some(Above::Caller(Box::new(caller.clone())));
        self
    }

    /// Sets the kind.
    pub fn kind(mut self, kind: Kind) -> SpawnBuilder<D> {
        self.kind = kind;
        self
    }

    /// Sets the lifetime: 1 second to 1 day, in whole seconds, rounded up.
    pub fn ttl(mut self, lifetime: Duration) -> SpawnBuilder<D> {
        self.ttl = ttl_of(lifetime).map(Some).ok_or(CallError::Ttl);
        self
    }

    /// Sets the metadata, which serialises to a JSON object. An empty one is not sent.
    pub fn metadata(mut self, metadata: &impl Serialize) -> SpawnBuilder<D> {
        let json = serde_json::to_string(metadata).map_err(|error| CallError::Metadata(error.to_string()));
        self.metadata = json.and_then(|json| {
            Metadata::new(&json).map(Some).map_err(|invalid| CallError::Metadata(invalid.to_string()))
        });
        self
    }

    /// Sets the session above it, in place of that of the present context.
    pub fn parent(mut self, session: SessionId) -> SpawnBuilder<D> {
        self.parent = Some(session);
        self
    }

    /// Sets the authority record of the subject, in place of that of the token.
    pub fn authority(mut self, authority: AuthorityId) -> SpawnBuilder<D> {
        self.authority = Some(authority);
        self
    }

    /// Sets the trace that the session's calls belong to, in place of that of the present context or a new one.
    pub fn trace(mut self, trace: Trace) -> SpawnBuilder<D> {
        self.trace = Some(trace);
        self
    }

    /// Opens the session and runs a future in it, as [`Scope::run`] does.
    pub async fn run<T>(self, body: impl Future<Output = T>) -> Result<T, CallError> {
        Ok(self.await?.run(body).await)
    }

    async fn open(self) -> Result<Scope<D>, CallError> {
        let SpawnBuilder { owner, above, edge, kind, ttl, metadata, parent, authority, trace } = self;
        let Settings { application, hop_limit, .. } = &owner.settings;
        let context = match above {
            Some(Above::Caller(caller)) => Some(owner.acting_for(*caller).await?),
            Some(Above::Context(context)) => Some(context).filter(|context| owner.owns(context)),
            None => owner.own_current(),
        };
        let above = match context {
            Some(context) => context,
            None => owner.outside().await?,
        };
        if edge.is_some() && (above.hop() >= *hop_limit) {
            return Err(TooManyHops { hop: above.hop().next(), limit: *hop_limit }.into());
        }
        let spawn = Spawn {
            application: application.clone(),
            kind,
            authority,
            parent: parent.or_else(|| above.parent().cloned()),
            ttl: ttl?,
            metadata: metadata?,
        };
        let opening = owner.hub.ask(|client, now| match edge {
            Some(edge) => client.delegate_to_spawn(now, spawn, edge),
            None => client.spawn(now, spawn),
        })?;
        let opened = Opening { hub: Arc::clone(&owner.hub), receiver: Some(opening) }.event().await?;
        let (session, lease, edge) = match opened {
            ClientEvent::Spawned { session, lease, .. } => (session, lease, None),
            ClientEvent::SpawnedWithEdge { session, edge, .. } => (session, None, Some(edge)),
            other => return Err(CallError::of_event(&owner.hub, other)),
        };
        let placed = place(&owner, &above, &session, edge.as_ref().map(|edge| &edge.edge), trace).await;
        let context = match placed {
            Ok(context) => ActiveContext::own(context),
            Err(error) => {
                owner.hub.abandon(&session);
                return Err(error);
            }
        };
        let scope = Scope { owner, context, session, kind, lease, edge, is_open: true };
        scope.owner.hub.hooks.started(&scope.context);
        Ok(scope)
    }
}

/// Returns the context of a session that was opened.
async fn place<D: Driver>(
    owner: &Owner<D>,
    above: &ActiveContext,
    session: &SessionId,
    edge: Option<&nuncio_core::caracal::EdgeId>,
    trace: Option<Trace>,
) -> Result<Context, CallError> {
    let token = owner.hub.tokens.valid().await.map_err(CallError::NoToken)?;
    let (above, trace): (Context, Trace) = match trace {
        Some(trace) => (above.with_trace(trace.clone()), trace),
        None => ((**above).clone(), new_trace()?),
    };
    Ok(match edge {
        Some(edge) => {
            above.delegated_to_spawned(token, session.clone(), edge.clone(), trace, owner.settings.hop_limit)?
        }
        None => above.spawned(token, session.clone(), trace),
    })
}

/// A session that is being opened. If it is dropped, the session is terminated as soon as it is open.
struct Opening<D: Driver> {
    hub: Arc<Hub<D>>,
    receiver: Option<oneshot::Receiver<ClientEvent>>,
}

impl<D: Driver> Opening<D> {
    async fn event(mut self) -> Result<ClientEvent, CallError> {
        let Some(receiver) = &mut self.receiver else { return Err(CallError::closed()) };
        let event = receiver.await.map_err(|_| CallError::closed());
        self.receiver = None;
        event
    }
}

impl<D: Driver> Drop for Opening<D> {
    fn drop(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.close();
            if let Ok(Some(event)) = receiver.try_recv() {
                unawaited(&self.hub, &event);
            }
        }
    }
}

impl<D: Driver> IntoFuture for SpawnBuilder<D> {
    type Output = Result<Scope<D>, CallError>;
    type IntoFuture = BoxFuture<'static, Result<Scope<D>, CallError>>;

    /// The context is the one in which the future is first polled.
    fn into_future(self) -> BoxFuture<'static, Result<Scope<D>, CallError>> {
        Box::pin(self.open())
    }
}

impl<D: Driver> fmt::Debug for SpawnBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnBuilder")
            .field("kind", &self.kind)
            .field("ttl", &self.ttl)
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}
