//! The agents of the demonstration, which count the events they emit.

use std::time::Duration;

use nuncio_tokio::arcp::{Delegation, Failure, JobContext, Json, Level, Number, Output, ServerBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Pages that the report goes through.
pub(super) const PAGES: u64 = 60;
/// Chunks of the streamed result.
pub(super) const CHUNKS: u64 = 10;

/// Pause between two events, so that a person can follow the job.
const PACE: Duration = Duration::from_millis(15);

/// The number of events the agents have emitted. Those that the runtime adds are not counted.
#[derive(Clone)]
pub(super) struct Emitted(watch::Sender<u64>);

impl Default for Emitted {
    fn default() -> Emitted {
        Emitted(watch::Sender::new(0))
    }
}

impl Emitted {
    pub(super) fn count(&self) -> u64 {
        *self.0.borrow()
    }

    /// Waits until the agents have emitted `count` events.
    pub(super) async fn reaches(&self, count: u64) {
        let mut counter = self.0.subscribe();
        // Cannot fail, because the sender lives as long as this.
        drop(counter.wait_for(|emitted| *emitted >= count).await);
    }

    pub(super) fn one_more(&self) {
        self.0.send_modify(|count| *count += 1);
    }
}

/// Adds the agents to a server.
pub(super) fn add(builder: ServerBuilder, emitted: &Emitted) -> ServerBuilder {
    let (reporting, searching) = (emitted.clone(), emitted.clone());
    builder
        .agent("report", move |input, ctx| report(input, ctx, reporting.clone()))
        .agent("search", move |input, ctx| search(input, ctx, searching.clone()))
}

#[derive(Deserialize)]
struct Report {
    pages: u64,
}

async fn report(input: Report, ctx: JobContext, emitted: Emitted) -> Result<Output, Failure> {
    ctx.log(Level::Info, "reading the sources").await?;
    emitted.one_more();
    fetch(&ctx, &emitted, "c1", "https://example.com/week-19").await?;
    charge(&ctx, &emitted, "0.15").await?;
    fetch(&ctx, &emitted, "c2", "https://intranet.test/salaries").await?;
    pages(&ctx, &emitted, 1, input.pages / 3, input.pages).await?;

    let search = Delegation::new("search")
        .delegate_id("find-quotes")
        .input(&json!({ "query": "quotes" }))
        .lease(&json!({ "net.fetch": ["https://example.com/quotes/**"], "cost.budget": ["USD:0.30"] }));
    let mut child = ctx.delegate(&search).await?;
    emitted.one_more();
    pages(&ctx, &emitted, input.pages / 3 + 1, input.pages, input.pages).await?;
    let found: Box<Json> = child.result().await?;
    charge(&ctx, &emitted, "0.25").await?;

    let mut writer = ctx.writer();
    for number in 1..CHUNKS {
        writer.write_text(&format!("{number}. What the sources say, with quotes: {}\n", found.get())).await?;
        emitted.one_more();
        tokio::time::sleep(PACE).await;
    }
    // Counted first, because the job may end, and the demonstration with it, as soon as the chunk is written.
    emitted.one_more();
    writer.finish_text("That is all.\n").await?;
    Ok(Output::streamed(format!("{CHUNKS} paragraphs")))
}

#[derive(Deserialize)]
struct Search {
    query: String,
}

async fn search(input: Search, ctx: JobContext, emitted: Emitted) -> Result<Value, Failure> {
    ctx.thought(&format!("where are {}?", input.query)).await?;
    emitted.one_more();
    fetch(&ctx, &emitted, "s1", "https://example.com/quotes/19").await?;
    charge(&ctx, &emitted, "0.20").await?;
    Ok(json!({ "quotes": 3 }))
}

async fn pages(ctx: &JobContext, emitted: &Emitted, from: u64, to: u64, of: u64) -> Result<(), Failure> {
    for page in from..=to {
        ctx.progress(page).of(of).units("pages").await?;
        emitted.one_more();
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

/// Calls a tool, if the lease allows it (§9.3).
async fn fetch(ctx: &JobContext, emitted: &Emitted, call: &str, url: &str) -> Result<(), Failure> {
    match ctx.authorize("net.fetch", url) {
        Ok(_) => {
            ctx.tool_call(call, "net.fetch").args(&json!({ "url": url })).await?;
            emitted.one_more();
            ctx.tool_result(call, &json!({ "bytes": 4_096 })).await?;
        }
        Err(denied) => ctx.tool_error(call, &denied.fault()).await?,
    }
    emitted.one_more();
    Ok(())
}

async fn charge(ctx: &JobContext, emitted: &Emitted, dollars: &str) -> Result<(), Failure> {
    let amount = Number::parse(dollars).ok_or_else(|| Failure::internal("the price is not a number"))?;
    ctx.metric("cost.search", amount).unit("USD").await?;
    emitted.one_more();
    Ok(())
}
