//! The context of inbound requests.

use nuncio_core::caracal::{Context, Envelope, NoBearerToken};
use nuncio_link::http::HeaderMap;

use super::app::{Caracal, Settings};
use super::context::ActiveContext;
use super::inject::context_fields;
use crate::io::Driver;

impl<D: Driver> Caracal<D> {
    /// Returns the context of an inbound request: the caller's token, session, edges, trace and baggage. Run the handler in
    /// it with [`ActiveContext::run`].
    ///
    /// Nothing is verified: baggage is routing metadata that anybody can write, and the token is to be verified by whoever
    /// grants something for it. A request without a token is an error; it never acts as this application.
    ///
    /// Sessions that are opened in the context are roots, because the caller's session belongs to the caller.
    ///
    /// ```no_run
    /// # use nuncio_shared::caracal::{Caracal, http_types::HeaderMap};
    /// # async fn handle(caracal: Caracal<nuncio_smol::Smol>, headers: HeaderMap) -> Result<(), Box<dyn std::error::Error>> {
    /// let context = caracal.bind_from_headers(&headers)?;
    /// let onward = context.run(async { caracal.headers().await }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind_from_headers(&self, headers: &HeaderMap) -> Result<ActiveContext, NoBearerToken> {
        let Settings { zone, application, .. } = &self.owner.settings;
        let envelope = Envelope::read(context_fields(headers));
        Context::inbound(zone.clone(), application.clone(), envelope).map(ActiveContext::inbound)
    }
}
