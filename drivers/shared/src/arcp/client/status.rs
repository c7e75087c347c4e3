//! The state of the runtime, for its operators.

use futures_channel::oneshot;
use nuncio_core::arcp::RuntimeStatus;

use super::Client;
use super::error::ClientError;

impl<D> Client<D> {
    /// Returns the state of the runtime and of its host: sessions, jobs, memory, the journal, and pools of workers. A runtime
    /// tells it to its operators only (`Config::operators`).
    ///
    /// Errors: [`ClientError::Failed`] with `PERMISSION_DENIED` if the principal is not an operator, and
    /// [`ClientError::Refused`] or [`ClientError::Failed`] with `NotNegotiated` if the runtime does not know the request, as any
    /// other than Nuncio's.
    ///
    /// ```
    /// # use nuncio_smol::arcp::{Client, Config, JobContext, Server};
    /// # use nuncio_smol::auth::StaticTokens;
    /// # smol::block_on(async {
    /// let config = Config::default().with(|config| _ = config.operators.insert("ops".to_owned()));
    /// let server = Server::builder()
    ///     .config(config)
    ///     .verifier(StaticTokens::new().with("secret", "ops"))
    ///     .agent("echo", |input: String, _: JobContext| async move { Ok(input) })
    ///     .build()?;
    /// let client = Client::over(server.memory_connector(), "secret").connect().await?;
    /// let status = client.status().await?;
    /// assert_eq!((status.counts.sessions_live, status.counts.jobs_running), (1, 0));
    /// assert_eq!(status.journal, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn status(&self) -> Result<RuntimeStatus, ClientError> {
        let hub = &self.owner.hub;
        let (sender, status) = oneshot::channel();
        hub.request(|state, now| {
            let request = state.client.status(now).map_err(|refused| state.refusal(refused))?;
            state.statuses.insert(request, sender);
            Ok::<_, ClientError>(())
        })?;
        status.await.unwrap_or_else(|_| Err(hub.gone()))
    }
}
