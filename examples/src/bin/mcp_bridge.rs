//! An MCP server on stdin and stdout whose only tool submits an ARCP job. The job's progress becomes MCP progress, its
//! result becomes the tool's result, and cancelling the call cancels the job.
//!
//! Run it with `NUNCIO_URL=ws://… NUNCIO_TOKEN=… mcp_bridge`. Without these it starts its own runtime with one agent,
//! `count`. Only MCP messages are written to stdout.

use std::error::Error;

use nuncio_tokio::arcp::{Client, Failure, JobContext, JobHandle, Server, Submit, Update};
use nuncio_tokio::auth::StaticTokens;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::stdio;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};

struct Bridge(Client);

impl ServerHandler for Bridge {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema =
            json!({"type": "object", "required": ["agent"], "properties": {"agent": {"type": "string"}, "input": {}}});
        let schema: JsonObject = schema.as_object().cloned().unwrap_or_default();
        Ok(ListToolsResult::with_all_items(vec![Tool::new(
            "submit_job",
            "Runs a job and waits for its result",
            schema,
        )]))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(call.arguments.unwrap_or_default());
        let agent = arguments["agent"].as_str().filter(|_| call.name == "submit_job");
        let agent = agent.ok_or_else(|| ErrorData::invalid_params("submit_job needs an agent", None))?;
        // A refusal or a failure is an error of the tool, not of the MCP protocol.
        let said = match self.run(agent, &arguments["input"], &context).await {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
        };
        Ok(said.into())
    }
}

impl Bridge {
    async fn run(
        &self,
        agent: &str,
        input: &Value,
        context: &RequestContext<RoleServer>,
    ) -> Result<String, Box<dyn Error + Send + Sync>> {
        let mut job = self.0.submit(&Submit::new(agent).input(input)).await?;
        loop {
            let update = tokio::select! {
                update = job.try_next() => update?,
                () = context.ct.cancelled() => {
                    job.cancel(Some("the MCP client cancelled its call")).await?;
                    return Err("cancelled".into());
                }
            };
            match update {
                Some(update) => relay(&update, context).await,
                None => return result(&mut job).await,
            }
        }
    }
}

async fn relay(update: &Update, context: &RequestContext<RoleServer>) {
    let (Update::Event(event), Some(token)) = (update, context.meta.get_progress_token()) else { return };
    let Some(body) = event.body.parse::<Value>().ok().filter(|_| event.kind.as_str() == "progress") else { return };
    let mut told = ProgressNotificationParam::new(token, body["current"].as_f64().unwrap_or_default());
    told.total = body["total"].as_f64();
    told.message = body["message"].as_str().map(str::to_owned);
    // The MCP client may have disconnected; the job continues.
    drop(context.peer.notify_progress(told).await);
}

async fn result(job: &mut JobHandle) -> Result<String, Box<dyn Error + Send + Sync>> {
    let collected = job.collect(1 << 20).await?;
    Ok(collected.text().unwrap_or_default().to_owned())
}

async fn count(to: u64, ctx: JobContext) -> Result<u64, Failure> {
    for number in 1..=to {
        ctx.progress(number).of(to).message("counting").await?;
    }
    Ok(to)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("count", count).build()?;
    let client = match (std::env::var("NUNCIO_URL"), std::env::var("NUNCIO_TOKEN")) {
        (Ok(url), Ok(token)) => Client::builder(&url, token)?,
        _ => Client::over(server.memory_connector(), "secret"),
    };
    Bridge(client.connect().await?).serve(stdio()).await?.waiting().await?;
    Ok(())
}
