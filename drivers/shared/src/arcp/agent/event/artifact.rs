//! The `artifact_ref` event.

use std::future::IntoFuture;

use nuncio_core::arcp::{Body, Refused};

use crate::arcp::agent::context::JobContext;
use crate::io::BoxFuture;

/// An `artifact_ref` event (§8.2). From [`JobContext::artifact`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Artifact<'a> {
    ctx: &'a JobContext,
    uri: &'a str,
    content_type: &'a str,
    byte_size: Option<u64>,
    sha256: Option<&'a str>,
}

impl JobContext {
    /// Emits an `artifact_ref` event: where something can be found that the job has made.
    ///
    /// ```
    /// # use nuncio_shared::arcp::{JobContext, Refused};
    /// # async fn agent(ctx: JobContext) -> Result<(), Refused> {
    /// ctx.artifact("s3://reports/week-48.pdf", "application/pdf").byte_size(48_213).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn artifact<'a>(&'a self, uri: &'a str, content_type: &'a str) -> Artifact<'a> {
        Artifact { ctx: self, uri, content_type, byte_size: None, sha256: None }
    }
}

impl<'a> Artifact<'a> {
    /// Sets the size in bytes.
    pub fn byte_size(mut self, bytes: u64) -> Artifact<'a> {
        self.byte_size = Some(bytes);
        self
    }

    /// Sets the SHA-256 digest of the contents, in hexadecimal. It is sent as it is given.
    pub fn sha256(mut self, digest: &'a str) -> Artifact<'a> {
        self.sha256 = Some(digest);
        self
    }
}

impl<'a> IntoFuture for Artifact<'a> {
    type Output = Result<(), Refused>;
    type IntoFuture = BoxFuture<'a, Result<(), Refused>>;

    fn into_future(self) -> Self::IntoFuture {
        self.ctx.emit_built(Ok(Body::artifact(self.uri, self.content_type, self.byte_size, self.sha256)))
    }
}
