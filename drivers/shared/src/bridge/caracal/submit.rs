//! Jobs that carry the present context.

use crate::arcp::Submit;
#[cfg(feature = "cap")]
use crate::cap;
use crate::caracal::{CallError, Caracal, current};
use crate::io::Driver;

use super::carried::{EXTENSION, to_extension};

impl Submit {
    /// Lets the job carry the present context of Caracal, as the member `x-vendor.nuncio.caracal` of its extensions: the
    /// session, edges, hops, trace and baggage, and never the token. Outside every context, the job carries none. The trace
    /// of the context is that of the job, unless one is set.
    ///
    /// Set other [`extensions`](Submit::extensions) before. The agent reads it with
    /// [`JobContext::caracal`](crate::arcp::JobContext::caracal).
    ///
    /// ```no_run
    /// # use nuncio_smol::{arcp::{Client, Submit}, caracal::Caracal};
    /// # async fn submit(caracal: Caracal, client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let scope = caracal.spawn().await?;
    /// let mut job = scope.run(async { client.submit(&Submit::new("report").caracal(&caracal)?).await.map_err(Box::from) });
    /// # job.await.map_err(|error: Box<dyn std::error::Error>| error)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn caracal<D: Driver>(self, caracal: &Caracal<D>) -> Result<Submit, CallError> {
        let Some(context) = current() else { return Ok(self) };
        let carried = to_extension(&caracal.unsigned_headers(&context)?);
        let carried = carried.map_err(|error| CallError::Metadata(error.to_string()))?;
        Ok(self.with_extension(EXTENSION, &carried).or_trace_id(context.trace().map(|trace| trace.id)))
    }
}

#[cfg(feature = "cap")]
impl cap::Submit {
    /// Lets the job carry the present context of Caracal, as the labels `traceparent`, `tracestate` and `baggage`: the
    /// session, edges, hops, trace and baggage, and never the token. Outside every context, the job carries none.
    ///
    /// The handler reads it with [`JobContext::caracal`](cap::JobContext::caracal).
    pub fn caracal<D: Driver>(self, caracal: &Caracal<D>) -> Result<cap::Submit, CallError> {
        let Some(context) = current() else { return Ok(self) };
        let headers = caracal.unsigned_headers(&context)?;
        Ok(headers.iter().fold(self, |submit, header| submit.label(header.name(), header.value().expose())))
    }
}
