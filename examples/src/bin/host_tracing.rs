//! One OpenTelemetry trace across an application, the runtime, an agent and the child that the agent delegates.
//!
//! `cargo run -p nuncio-examples --bin host_tracing`

use std::error::Error;
use std::time::Duration;

use nuncio_tokio::arcp::{Client, Delegation, Failure, JobContext, Server, Shutdown, Submit};
use nuncio_tokio::auth::StaticTokens;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::json;
use tracing::{Instrument as _, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

async fn report((): (), ctx: JobContext) -> Result<(), Failure> {
    ctx.delegate(&Delegation::new("search")).await?.outcome().await;
    ctx.metric("cost.words", 2).unit("USD").await?;
    Ok(())
}

async fn search((): (), _ctx: JobContext) -> Result<(), Failure> {
    // Spans of the agent are children of its job's span.
    info_span!("index").in_scope(|| ());
    Ok(())
}

/// Returns the names of the spans from the root of the trace to this span. Jobs are named after their agents.
fn path(span: &SpanData, spans: &[SpanData]) -> String {
    let agent = span.attributes.iter().find(|pair| pair.key.as_str() == "arcp.agent");
    let name = agent.map_or(span.name.to_string(), |agent| format!("{} {}", span.name, agent.value));
    match spans.iter().find(|parent| parent.span_context.span_id() == span.parent_span_id) {
        Some(parent) => format!("{} > {name}", path(parent, spans)),
        None => name,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A real program uses the exporter of its collector. Levels below INFO would trace the runtime itself as well.
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("host_tracing"));
    tracing_subscriber::registry().with(LevelFilter::INFO).with(layer).init();

    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("report", report).agent("search", search).build()?;
    let client = Client::over(server.memory_connector(), "secret").connect().await?;
    let submit = Submit::new("report").lease(&json!({"agent.delegate": ["search"], "cost.budget": ["USD:5"]}));
    let page = async { client.submit(&submit).await?.collect(0).await };
    page.instrument(info_span!("page")).await?;
    client.close().await;
    assert_eq!(server.shutdown(Duration::from_secs(5)).await, Shutdown::Drained);

    // Spans end shortly after the work that they describe.
    let spans = loop {
        let mut spans = exporter.get_finished_spans()?;
        let page = spans.iter().find(|span| span.name == "page").map(|span| span.span_context.trace_id());
        spans.retain(|span| Some(span.span_context.trace_id()) == page);
        if spans.len() == 5 {
            break spans;
        }
        tokio::task::yield_now().await;
    };
    let mut paths: Vec<String> = spans.iter().map(|span| path(span, &spans)).collect();
    paths.sort();
    println!("{}", paths.join("\n"));
    assert_eq!(
        paths,
        [
            "page",
            "page > submit report",
            "page > submit report > job report",
            "page > submit report > job report > job search",
            "page > submit report > job report > job search > index",
        ]
    );
    Ok(())
}
