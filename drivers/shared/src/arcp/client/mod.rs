//! The client: one session with a runtime, over as many connections as it takes.

mod action;
mod backlog;
mod backoff;
mod builder;
mod connect;
mod control;
mod dispatch;
mod error;
mod events;
mod follow;
mod follower;
mod hub;
mod ledger;
mod link;
mod owner;
mod questions;
mod reconnect;
mod result;
mod session;
mod session_list;
mod slot;
mod span;
mod status;
mod submit;
mod supervise;
mod token;
mod transport;

use std::marker::PhantomData;
use std::sync::Arc;

use futures_channel::oneshot;
use nuncio_core::arcp::client::{JobPage, ListQuery, ResumePoint, Subscribe, Welcome};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;

pub use builder::ClientBuilder;
pub use control::JobControl;
pub use error::{CallError, ClientBuildError, ClientError, ConnectError, JobError, RemoteCode, SessionEnd};
pub use events::{Chunks, Events};
pub use follow::{Follow, JobHandle, Subscription, Update};
pub use reconnect::Reconnect;
pub use result::Collected;
pub use session::{SessionEvent, SessionEvents};
pub use submit::Submit;
pub use token::TokenSource;
pub use transport::Transport;

use dispatch::State;
use follower::Follower;
use owner::Owner;
use slot::Slot;

/// A session with a runtime.
///
/// When its connection is lost it connects again and resumes: nobody who uses it notices but for a pause. It gives up
/// when the runtime no longer has the session, and then says so everywhere. Requests made meanwhile wait.
///
/// When the last clone and the last handle are dropped the session is closed, in the background; [`Client::close`] waits
/// for it. Jobs go on in the runtime in either case.
///
/// ```
/// # use nuncio_smol::arcp::{Client, JobContext, Server, Submit};
/// # use nuncio_smol::auth::StaticTokens;
/// # let count = |words: Vec<String>, _: JobContext| async move { Ok(words.len()) };
/// # smol::block_on(async {
/// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("count", count).build()?;
/// # let listening = server.listen("127.0.0.1:0").await?;
/// let client = Client::builder(listening.url(), "secret")?.connect().await?;
/// let mut job = client.submit(&Submit::new("count").input(&["to", "be"])).await?;
/// assert_eq!(job.result::<usize>().await?, 2);
/// client.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Client<D> {
    owner: Arc<Owner>,
    driver: PhantomData<fn(D)>,
}

impl<D> Client<D> {
    fn new(owner: Arc<Owner>) -> Client<D> {
        Client { owner, driver: PhantomData }
    }

    /// What the runtime said of itself and the session, at the last welcome. `None` only where there was none yet.
    pub fn welcome(&self) -> Option<Arc<Welcome>> {
        self.owner.hub.welcome.value()
    }

    /// What another client needs to take this session up with [`ClientBuilder::resume`]: after this one, for the session has
    /// one client at a time. `None` where the runtime gave no token.
    pub fn resume_point(&self) -> Option<ResumePoint> {
        self.owner.hub.look(|state| state.client.resume_point())
    }

    /// Submits a job and waits until it is accepted (§7.1). Dropped while it waits, the job may run nevertheless, with
    /// nobody following it.
    pub async fn submit(&self, submit: &Submit) -> Result<JobHandle, ClientError> {
        let span = span::of_submit(submit.agent());
        let shown = span.clone();
        async {
            #[cfg(feature = "opentelemetry")]
            let submit = submit.below(&shown);
            let request = submit.request()?;
            let follower = self.follow(|state, now| state.client.submit(now, &request))?;
            let job = JobHandle::accepted(follower).await?;
            shown.record("arcp.job_id", job.job_id().as_str());
            Ok(job)
        }
        .instrument(span)
        .await
    }

    /// Submits a job, waits for its end, and returns its result: [`submit`](Client::submit) and
    /// [`result`](Follow::result) in one. If the future is dropped, the job goes on.
    ///
    /// ```
    /// # use nuncio_smol::arcp::{Client, JobContext, Server};
    /// # use nuncio_smol::auth::StaticTokens;
    /// # let count = |words: Vec<String>, _: JobContext| async move { Ok(words.len()) };
    /// # smol::block_on(async {
    /// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("count", count).build()?;
    /// # let client = Client::over(server.memory_connector(), "secret").connect().await?;
    /// let words: usize = client.call("count", &["to", "be", "or", "not"]).await?;
    /// assert_eq!(words, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn call<I, O>(&self, agent: impl Into<String>, input: &I) -> Result<O, CallError>
    where
        I: Serialize + ?Sized,
        O: DeserializeOwned,
    {
        self.submit(&Submit::new(agent).input(input)).await?.result().await
    }

    /// Watches a job (§7.6): of another session, or after this client has forgotten it.
    pub async fn subscribe(&self, job_id: impl AsRef<str>, subscribe: Subscribe) -> Result<Subscription, ClientError> {
        let follower = self.follow(|state, now| state.client.subscribe(now, job_id.as_ref(), subscribe))?;
        Subscription::subscribed(follower).await
    }

    /// A page of the jobs that may be seen (§6.6).
    pub async fn list(&self, query: &ListQuery<'_>) -> Result<JobPage, ClientError> {
        let (sender, answer) = oneshot::channel();
        self.owner.hub.request(|state, now| {
            let request = state.client.list(now, query).map_err(|refused| state.refusal(refused))?;
            state.lists.insert(request, sender);
            Ok::<_, ClientError>(())
        })?;
        answer.await.unwrap_or_else(|_| Err(self.owner.hub.gone()))
    }

    /// Acknowledges all events up to a number of the session, or all that were taken (§6.5). Not needed where the client
    /// does so by itself, as it does by default.
    pub fn ack(&self, seq: Option<u64>) -> Result<(), ClientError> {
        self.owner.hub.request(|state, now| state.client.ack(now, seq).map_err(|refused| state.refusal(refused)))
    }

    /// What happens to the session from now on.
    pub fn session_events(&self) -> SessionEvents {
        let receiver = self.owner.hub.audience.activate_cloned();
        SessionEvents { receiver, over: self.owner.hub.look(|state| state.end.is_some()) }
    }

    /// Says goodbye, waits for the answer a second at most, and closes the connection (§6.7). Accepted jobs go on.
    pub async fn close(&self) -> SessionEnd {
        self.owner.hub.run(|state, now| state.client.close(now, None));
        self.owner.hub.end.wait(Clone::clone).await
    }

    /// Why the session is over, if it is.
    pub fn ended(&self) -> Option<SessionEnd> {
        self.owner.hub.ended()
    }

    /// Bytes held by queues and tables; an estimate.
    pub fn bytes_held(&self) -> usize {
        self.owner.hub.look(|state| state.client.bytes_held())
    }

    fn follow(
        &self,
        ask: impl FnOnce(
            &mut State,
            nuncio_core::time::Time,
        ) -> Result<nuncio_core::arcp::client::HandleId, nuncio_core::arcp::client::ClientRefused>,
    ) -> Result<Follower, ClientError> {
        let slot = Arc::new(Slot::default());
        let handle = self.owner.hub.request(|state, now| {
            let handle = ask(state, now).map_err(|refused| state.refusal(refused))?;
            state.slots.insert(handle, Arc::clone(&slot));
            Ok::<_, ClientError>(handle)
        })?;
        Ok(Follower::new(Arc::clone(&self.owner), handle, slot))
    }
}

impl<D> Clone for Client<D> {
    fn clone(&self) -> Client<D> {
        Client::new(Arc::clone(&self.owner))
    }
}

impl<D> std::fmt::Debug for Client<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
