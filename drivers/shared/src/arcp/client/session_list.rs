//! Lists of the sessions of a runtime.

use futures_channel::oneshot;
use nuncio_core::arcp::client::{SessionPage, SessionQuery};

use super::Client;
use super::error::ClientError;

impl<D> Client<D> {
    /// Returns a page of the sessions of the runtime: all of them for an operator (`Config::operators`), and those of its own
    /// principal for others. The session of this client is among them.
    ///
    /// Errors: [`ClientError::Failed`] if the runtime refuses the request, or does not answer it. Runtimes other than Nuncio's do
    /// not know it.
    ///
    /// ```
    /// # use nuncio_smol::arcp::{Client, JobContext, Server, SessionQuery};
    /// # use nuncio_smol::auth::StaticTokens;
    /// # let agent = |input: String, _: JobContext| async move { Ok(input) };
    /// # smol::block_on(async {
    /// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("echo", agent).build()?;
    /// # let client = Client::over(server.memory_connector(), "secret").connect().await?;
    /// # let other = Client::over(server.memory_connector(), "secret").connect().await?;
    /// let mut sessions = Vec::new();
    /// let mut query = SessionQuery { limit: Some(1), ..SessionQuery::default() };
    /// loop {
    ///     let page = client.list_sessions(&query).await?;
    ///     sessions.extend(page.sessions);
    ///     let Some(cursor) = page.next_cursor else { break };
    ///     query.cursor = Some(cursor.into());
    /// }
    /// assert_eq!(sessions.len(), 2);
    /// assert!(sessions.iter().all(|session| session.principal == "me" && session.state == "live"));
    /// # drop(other);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn list_sessions(&self, query: &SessionQuery<'_>) -> Result<SessionPage, ClientError> {
        let hub = &self.owner.hub;
        let (sender, page) = oneshot::channel();
        hub.request(|state, now| {
            let request = state.client.list_sessions(now, query).map_err(|refused| state.refusal(refused))?;
            state.sessions.insert(request, sender);
            Ok::<_, ClientError>(())
        })?;
        page.await.unwrap_or_else(|_| Err(hub.gone()))
    }
}
