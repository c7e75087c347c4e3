//! One trace across the client, the runtime, the agent and a delegated child.

use std::sync::LazyLock;

use crate::support::{builder, within};
use nuncio_tokio::arcp::{
    Client, Delegation, Failure, FinalStatus, JobContext, JobHandle, ServerBuilder, Submit, Time,
};
use opentelemetry::trace::{SpanId, SpanKind, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::{Value, json};
use tracing::{Instrument as _, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

const EXTENSION: &str = "x-vendor.opentelemetry.tracecontext";
const EXPIRES: &str = "2099-01-01T00:00:00Z";

/// The exporter that all tests in this binary share. Each test looks for its own trace.
static EXPORTER: LazyLock<InMemorySpanExporter> = LazyLock::new(|| {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing_subscriber::registry().with(LevelFilter::DEBUG).with(layer).init();
    exporter
});

/// An agent that delegates, reports a cost, and returns the extensions and the trace id that it was given.
async fn parent((): (), ctx: JobContext) -> Result<Value, Failure> {
    let work = Delegation::new("child").lease(&json!({"tool.call": ["x"]}));
    let mut child = ctx.delegate(&work).await?;
    let outcome = child.outcome().await;
    ctx.metric("cost.search", 1).unit("USD").into_future().instrument(info_span!("search")).await?;
    let extensions: Value = serde_json::from_str(ctx.extensions().map_or("null", |json| json.get())).unwrap();
    let child: Value = outcome.parse().unwrap();
    Ok(json!({"extensions": extensions, "trace": ctx.trace_id().to_string(), "child": child}))
}

async fn child((): (), ctx: JobContext) -> Result<Value, Failure> {
    info_span!("look").in_scope(|| ());
    Ok(json!({"trace": ctx.trace_id().to_string()}))
}

fn runtime() -> ServerBuilder {
    LazyLock::force(&EXPORTER);
    builder().agent("parent", parent).agent("child", child)
}

fn submit_parent() -> Submit {
    let lease = json!({"tool.call": ["x"], "agent.delegate": ["child"], "cost.budget": ["USD:4.00"]});
    Submit::new("parent").lease(&lease).expires_at(Time::parse_rfc3339(EXPIRES).unwrap())
}

/// Returns the spans of the trace that has a span `is_it`, once it has spans with all these names.
async fn trace_with(names: &[&str], is_it: impl Fn(&SpanData) -> bool) -> Vec<SpanData> {
    loop {
        let mut spans = EXPORTER.get_finished_spans().unwrap();
        if let Some(trace) = spans.iter().find(|span| is_it(span)).map(|span| span.span_context.trace_id()) {
            spans.retain(|span| span.span_context.trace_id() == trace);
            if names.iter().all(|name| spans.iter().any(|span| span.name == *name)) {
                return spans;
            }
        }
        tokio::task::yield_now().await;
    }
}

fn values(span: &SpanData, key: &str) -> Vec<String> {
    span.attributes.iter().filter(|pair| pair.key.as_str() == key).map(|pair| pair.value.to_string()).collect()
}

fn of_agent<'a>(spans: &'a [SpanData], name: &str, agent: &str) -> &'a SpanData {
    spans.iter().find(|span| span.name == name && values(span, "arcp.agent") == [agent]).unwrap()
}

async fn answer(mut job: JobHandle) -> Value {
    let collected = job.collect(0).await.unwrap();
    assert_eq!(collected.outcome.status, FinalStatus::Success);
    collected.json().unwrap()
}

#[tokio::test]
async fn one_trace_leads_from_the_caller_to_the_delegated_child() {
    within(async {
        let server = runtime().build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let client = Client::builder(listening.url(), "tok-alice").unwrap().connect().await.unwrap();
        let submit = submit_parent().extensions(&json!({"x-vendor.birdwatch.season": "spring"}));
        let job = client.submit(&submit).instrument(info_span!("caller", test = "one")).await.unwrap();
        let job_id = job.job_id().to_owned();
        let wire = job.info().trace_id.unwrap().to_string();
        let answer = answer(job).await;

        let is_ours = |span: &SpanData| values(span, "test") == ["one"];
        let spans = trace_with(&["caller", "submit", "job", "search", "look"], is_ours).await;
        let caller = spans.iter().find(|span| span.name == "caller").unwrap();
        let submit = of_agent(&spans, "submit", "parent");
        let parent = of_agent(&spans, "job", "parent");
        let child = of_agent(&spans, "job", "child");
        let below = |name: &str| spans.iter().find(|span| span.name == name).unwrap().parent_span_id;
        assert_eq!(caller.parent_span_id, SpanId::INVALID);
        assert_eq!(submit.parent_span_id, caller.span_context.span_id());
        assert_eq!(parent.parent_span_id, submit.span_context.span_id());
        assert!(parent.parent_span_is_remote);
        assert_eq!(below("search"), parent.span_context.span_id());
        assert_eq!(child.parent_span_id, parent.span_context.span_id());
        assert_eq!(below("look"), child.span_context.span_id());
        assert_eq!((&submit.span_kind, &parent.span_kind), (&SpanKind::Client, &SpanKind::Server));

        let session = client.welcome().unwrap().session_id.clone();
        for job in [parent, child] {
            assert_eq!(values(job, "arcp.session_id"), [session.as_str()]);
            let expires = values(job, "arcp.lease.expires_at");
            assert_eq!(
                expires.iter().map(|text| Time::parse_rfc3339(text)).collect::<Vec<_>>(),
                [Time::parse_rfc3339(EXPIRES)]
            );
            assert_eq!(values(job, "arcp.final_status"), ["success"]);
        }
        assert_eq!(values(parent, "arcp.job_id"), [job_id.as_str()]);
        assert_eq!(values(submit, "arcp.job_id"), [job_id.as_str()]);
        assert_eq!(values(parent, "arcp.budget.remaining"), [r#"{"USD":4}"#, r#"{"USD":3}"#]);

        // Without a trace id from the caller, the wire has that of the spans.
        assert_eq!(wire, caller.span_context.trace_id().to_string());
        let traceparent = format!("00-{wire}-{}-01", submit.span_context.span_id());
        assert_eq!(
            answer["extensions"],
            json!({"x-vendor.birdwatch.season": "spring", EXTENSION: {"traceparent": traceparent}})
        );
        let exported = format!("{:?}", EXPORTER.get_finished_spans().unwrap());
        assert!(!exported.contains("tok-alice"), "{exported}");
    })
    .await;
}

#[tokio::test]
async fn the_trace_id_on_the_wire_is_the_one_that_was_sent() {
    within(async {
        let server = runtime().build().unwrap();
        let client = crate::support::connect(&server, "tok-alice").await;
        let sent = "0af7651916cd43dd8448eb211c80319c";
        let submit = submit_parent().trace_id(nuncio_core::trace::TraceId::parse(sent).unwrap());
        let job = client.submit(&submit).instrument(info_span!("caller", test = "two")).await.unwrap();
        assert_eq!(job.info().trace_id.unwrap().to_string(), sent);
        let answer = answer(job).await;
        assert_eq!((&answer["trace"], &answer["child"]["trace"]), (&json!(sent), &json!(sent)));

        // The spans are in the caller's trace, and an attribute has the trace id of the wire.
        let spans = trace_with(&["caller", "job", "look"], |span| values(span, "test") == ["two"]).await;
        let job = of_agent(&spans, "job", "parent");
        assert_ne!(job.span_context.trace_id().to_string(), sent);
        assert_eq!(values(job, "arcp.trace_id"), [sent]);
    })
    .await;
}

#[tokio::test]
async fn a_context_that_the_caller_sends_is_unchanged() {
    within(async {
        let server = runtime().build().unwrap();
        let client = crate::support::connect(&server, "tok-alice").await;
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let context = json!({"traceparent": format!("00-{trace}-{span}-01"), "tracestate": "rojo=1"});
        for own in [context, Value::Null] {
            let submit = submit_parent().extensions(&json!({ EXTENSION: own }));
            let job = client.submit(&submit).instrument(info_span!("caller")).await.unwrap();
            assert_eq!(answer(job).await["extensions"], json!({ EXTENSION: own }));
        }
        let spans = trace_with(&["job", "look"], |span| span.span_context.trace_id().to_string() == trace).await;
        let job = of_agent(&spans, "job", "parent");
        assert_eq!(job.parent_span_id.to_string(), span);
        assert_eq!(job.span_context.trace_state().header(), "rojo=1");
    })
    .await;
}

#[tokio::test]
async fn the_span_of_a_failed_job_has_its_error_code() {
    within(async {
        let server = runtime().build().unwrap();
        let client = crate::support::connect(&server, "tok-alice").await;
        let submit = Submit::new("child").input(&json!("no unit"));
        let mut job = client.submit(&submit).instrument(info_span!("caller", test = "four")).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Error);
        let spans = trace_with(&["caller", "job"], |span| values(span, "test") == ["four"]).await;
        let job = of_agent(&spans, "job", "child");
        assert_eq!(job.status, opentelemetry::trace::Status::error("INVALID_REQUEST"));
    })
    .await;
}
