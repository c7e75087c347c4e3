//! The `tool_call` and `tool_result` events.

use std::future::IntoFuture;

use nuncio_core::arcp::{Body, Fault, Json, Refused};
use serde::Serialize;

use super::members::json;
use crate::arcp::agent::context::JobContext;
use crate::io::BoxFuture;

/// A `tool_call` event (§8.2). From [`JobContext::tool_call`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct ToolCall<'a> {
    ctx: &'a JobContext,
    call_id: &'a str,
    tool: &'a str,
    args: Option<Result<Box<Json>, Refused>>,
}

impl JobContext {
    /// Emits a `tool_call` event: the agent calls a tool now. It does not check the lease;
    /// [`authorize`](JobContext::authorize) does.
    ///
    /// ```
    /// # use nuncio_shared::arcp::{JobContext, Refused};
    /// # use serde_json::json;
    /// # async fn agent(ctx: JobContext) -> Result<(), Refused> {
    /// ctx.tool_call("c1", "search.web").args(&json!({"q": "weather"})).await?;
    /// match ctx.authorize("tool.call", "search.web") {
    ///     Ok(_) => ctx.tool_result("c1", &json!({"hits": 3})).await,
    ///     Err(denied) => ctx.tool_error("c1", &denied.fault()).await,
    /// }
    /// # }
    /// ```
    pub fn tool_call<'a>(&'a self, call_id: &'a str, tool: &'a str) -> ToolCall<'a> {
        ToolCall { ctx: self, call_id, tool, args: None }
    }

    /// Emits the `tool_result` event of a call that succeeded.
    pub async fn tool_result(&self, call_id: &str, result: &(impl Serialize + ?Sized)) -> Result<(), Refused> {
        self.emit(&Body::tool_result(call_id, &json(result)?)).await
    }

    /// Emits the `tool_result` event of a call that failed or was denied.
    pub async fn tool_error(&self, call_id: &str, fault: &Fault) -> Result<(), Refused> {
        self.emit(&Body::tool_error(call_id, fault)).await
    }
}

impl<'a> ToolCall<'a> {
    /// Sets the arguments of the call: any value that serde can write as JSON.
    pub fn args(mut self, args: &(impl Serialize + ?Sized)) -> ToolCall<'a> {
        self.args = Some(json(args));
        self
    }

    fn body(self) -> Result<Body, Refused> {
        Ok(Body::tool_call(self.tool, self.args.transpose()?.as_deref(), self.call_id))
    }
}

impl<'a> IntoFuture for ToolCall<'a> {
    type Output = Result<(), Refused>;
    type IntoFuture = BoxFuture<'a, Result<(), Refused>>;

    fn into_future(self) -> Self::IntoFuture {
        self.ctx.emit_built(self.body())
    }
}
