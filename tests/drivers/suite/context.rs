//! All commands of a job's context.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::Client;
use super::server;
use super::support::{builder, connect, memory_connector, within};
use nuncio_shared::arcp::{
    Body, CallError, ChildError, Delegation, Denied, ErrorCode, Failure, FinalStatus, JobContext, Level, Number,
    Output, Refused, Submit, Update,
};
use serde_json::{Value, json};

#[test]
fn every_kind_of_event_arrives_in_order() {
    within(async {
        let emits = |_: Value, ctx: JobContext| async move {
            ctx.log(Level::Info, "a").await?;
            ctx.log(Level::Warn, "b").field("k", 1).await?;
            ctx.log(Level::Custom("trace".into()), "c").field("z", 1).field("a", "x").field("z", [2]).await?;
            drop(ctx.log(Level::Error, "a builder that is not awaited"));
            ctx.thought("hm").await?;
            ctx.tool_call("c1", "search.web").args(&json!({"q": "x"})).await?;
            ctx.tool_result("c1", &json!({"hits": 1})).await?;
            ctx.tool_error("c2", &nuncio_shared::arcp::Fault::new(ErrorCode::Timeout, "too slow")).await?;
            ctx.status("phase-1").message("going").await?;
            ctx.metric("rows", 12).unit("rows").await?;
            ctx.metric("rows", Number::parse("1.50").unwrap()).dimension("a", "b").await?;
            ctx.artifact("arcp://a/1", "text/plain").byte_size(3).sha256("ab").await?;
            ctx.metric("latency", 12.5).unit("ms").await?;
            ctx.progress(1).of(2).units("u").message("m").await?;
            ctx.progress(2_usize).await?;
            ctx.event("x-vendor.acme.custom", &json!({"anything": [1, 2]})).await?;
            ctx.emit(&Body::thought("made beforehand")).await?;
            Ok(())
        };
        let server = builder().agent("emits", emits).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("emits")).await.unwrap();
        let mut seen = Vec::new();
        let mut seqs = Vec::new();
        while let Some(event) = job.events().try_next().await.unwrap() {
            seen.push((event.kind.as_str().to_owned(), event.body.parse::<Value>().unwrap()));
            seqs.push(event.seq);
        }
        let expected = [
            ("status", json!({"phase": "running"})),
            ("log", json!({"level": "info", "message": "a"})),
            ("log", json!({"level": "warn", "message": "b", "attributes": {"k": 1}})),
            // Some clients drop an event with a level that they do not know.
            ("log", json!({"level": "debug", "message": "c", "attributes": {"z": [2], "a": "x"}})),
            ("thought", json!({"text": "hm"})),
            ("tool_call", json!({"tool": "search.web", "args": {"q": "x"}, "call_id": "c1"})),
            ("tool_result", json!({"call_id": "c1", "result": {"hits": 1}})),
            (
                "tool_result",
                json!({"call_id": "c2", "error": {"code": "TIMEOUT", "message": "too slow", "retryable": false}}),
            ),
            ("status", json!({"phase": "phase-1", "message": "going"})),
            ("metric", json!({"name": "rows", "value": 12, "unit": "rows"})),
            ("metric", json!({"name": "rows", "value": 1.5, "dimensions": {"a": "b"}})),
            (
                "artifact_ref",
                json!({"uri": "arcp://a/1", "content_type": "text/plain", "byte_size": 3, "sha256": "ab"}),
            ),
            ("metric", json!({"name": "latency", "value": 12.5, "unit": "ms"})),
            ("progress", json!({"current": 1, "total": 2, "units": "u", "message": "m"})),
            ("progress", json!({"current": 2})),
            ("x-vendor.acme.custom", json!({"anything": [1, 2]})),
            ("thought", json!({"text": "made beforehand"})),
        ];
        let expected: Vec<_> = expected.into_iter().map(|(kind, body)| (kind.to_owned(), body)).collect();
        assert_eq!(seen, expected);
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    });
}

/// Returns a value that JSON cannot write: an object whose key is a list.
fn unwritable() -> BTreeMap<Vec<u8>, u8> {
    BTreeMap::from([(vec![1], 2)])
}

#[test]
fn invalid_bodies_are_refused_and_the_job_continues() {
    within(async {
        let emits = |_: Value, ctx: JobContext| async move {
            let invalid = |refused: Result<(), Refused>| matches!(refused, Err(Refused::Invalid(_)));
            let all = [
                invalid(ctx.metric("cost.x", -1).unit("USD").await),
                invalid(ctx.metric("cost.budget.remaining", 1).unit("USD").await),
                invalid(ctx.metric("latency", f64::NAN).await),
                invalid(ctx.metric("rows", 1).dimension("d", unwritable()).dimension("e", 1).await),
                invalid(ctx.log(Level::Info, "m").field("k", unwritable()).await),
                invalid(ctx.tool_call("c1", "t").args(&unwritable()).await),
                invalid(ctx.progress(-1).await),
                invalid(ctx.progress(1).of(-1).await),
                invalid(ctx.progress(1).of(f64::INFINITY).await),
                invalid(ctx.status("credential_rotated").await),
                invalid(ctx.event("nonsense", &json!({})).await),
                invalid(ctx.event("delegate", &json!({})).await),
            ];
            Ok(all)
        };
        let server = builder().agent("emits", emits).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("emits")).await.unwrap();
        assert_eq!(job.collect(1_000).await.unwrap().json::<Vec<bool>>().unwrap(), [true; 12]);
    });
}

#[test]
fn the_lease_and_the_budget_limit_operations() {
    within(async {
        let spends = |_: Value, ctx: JobContext| async move {
            let code = |denied: Denied| denied.fault().code.as_str();
            let allowed = ctx.authorize("fs.read", "/ws/sub/../a").map(|operation| operation.target().to_owned());
            let outside = ctx.authorize("fs.read", "/ws/../etc/passwd").map(drop).map_err(code);
            let nonsense = ctx.authorize("fs.eat", "/ws/a").map(drop).map_err(code);
            let model = ctx.authorize_model("fast/1").map(drop).map_err(code);
            let other_model = ctx.authorize_model("slow/1").map(drop).map_err(code);
            let before = ctx.budget().map(|budget| budget.to_json_numbers());
            ctx.metric("cost.inference", Number::parse("0.75").unwrap()).unit("USD").await?;
            let after = ctx.budget().map(|budget| budget.to_json_numbers());
            ctx.metric("cost.inference", Number::parse("0.25").unwrap()).unit("USD").await?;
            let exhausted = ctx.authorize("fs.read", "/ws/a").map(drop).map_err(code);
            Ok(json!([allowed.ok(), outside, nonsense, model, other_model, before, after, exhausted]))
        };
        let server = builder().agent("spends", spends).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let lease = json!({"fs.read": ["/ws/**"], "model.use": ["fast/*"], "cost.budget": ["USD:1.00"]});
        let mut job = client.submit(&Submit::new("spends").lease(&lease)).await.unwrap();
        assert_eq!(job.info().budget, [("USD".to_owned(), "1".to_owned())]);
        let seen: Value = job.collect(10_000).await.unwrap().json().unwrap();
        let denied = json!({"Err": "PERMISSION_DENIED"});
        let expected = json!([
            "/ws/a",
            denied,
            denied,
            {"Ok": null},
            denied,
            r#"{"USD":1}"#,
            r#"{"USD":0.25}"#,
            {"Err": "BUDGET_EXHAUSTED"},
        ]);
        assert_eq!(seen, expected);
    });
}

#[test]
fn a_context_knows_its_job() {
    within(async {
        let knows = |_: Value, ctx: JobContext| async move {
            Ok(json!({
                "job": ctx.job_id().to_string(),
                "session": ctx.session_id().map(ToString::to_string),
                "principal": ctx.principal(),
                "agent": ctx.agent(),
                "input": ctx.input(),
                "trace": ctx.trace_id().to_string(),
                "extensions": ctx.extensions(),
                "lease": ctx.lease(),
                "deadline": ctx.deadline().is_some(),
                "left": ctx.time_left().is_some_and(|left| !left.is_zero()),
                "expires": ctx.expires_at().is_some(),
                "cancelled": ctx.is_cancelled(),
                "credentials": ctx.credentials().len(),
                "delegate": ctx.delegate_id(),
            }))
        };
        let server = builder().agent("knows", knows).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let extensions = json!({"x-vendor.opentelemetry.tracecontext": {"traceparent": "t"}});
        let submit = Submit::new("knows")
            .input(&json!({"a": 1}))
            .lease(&json!({"tool.call": ["x.*"]}))
            .max_runtime(std::time::Duration::from_millis(59_500))
            .extensions(&extensions);
        let mut job = client.submit(&submit).await.unwrap();
        let seen: Value = job.collect(10_000).await.unwrap().json().unwrap();
        let expected = json!({
            "job": job.job_id(),
            "session": client.welcome().unwrap().session_id,
            "principal": "alice",
            "agent": "knows",
            "input": {"a": 1},
            "trace": job.info().trace_id.unwrap().to_string(),
            "extensions": extensions,
            "lease": {"tool.call": ["x.*"]},
            "deadline": true,
            "left": true,
            "expires": false,
            "cancelled": false,
            "credentials": 0,
            "delegate": null,
        });
        assert_eq!(seen, expected);
    });
}

#[test]
fn a_context_that_outlives_its_job_can_do_nothing() {
    within(async {
        let (sender, contexts) = smol::channel::unbounded();
        let leaks = move |_: Value, ctx: JobContext| {
            sender.try_send(ctx).unwrap();
            async { Ok(()) }
        };
        let server = builder().agent("leaks", leaks).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("leaks")).await.unwrap();
        job.outcome().await.unwrap();
        let ctx = contexts.recv().await.unwrap();
        assert!(matches!(ctx.log(Level::Info, "late").await, Err(Refused::Terminal | Refused::Stale)));
        assert!(ctx.authorize("tool.call", "x").is_err());
        assert!(ctx.delegate(&Delegation::new("echo")).await.is_err());
        ctx.cancelled().await;
    });
}

async fn parent(lease: Value, ctx: JobContext) -> Result<Value, Failure> {
    let delegation = Delegation::new("echo").input(&"from the parent").lease(&lease);
    let mut child = ctx.delegate(&delegation.delegate_id("del_1")).await?;
    let outcome = child.outcome().await;
    assert_eq!(outcome.status, child.outcome().await.status);
    Ok(json!({
        "child": child.job_id().map(ToString::to_string),
        "ok": outcome.status == FinalStatus::Success,
        "result": outcome.parse::<Value>().unwrap(),
    }))
}

#[test]
fn a_child_without_a_result_to_read_is_an_error() {
    within(async {
        let fails =
            |_: Value, _: JobContext| async { Err::<(), _>(Failure::new(ErrorCode::InvalidRequest, "no luck")) };
        let streams = |_: Value, ctx: JobContext| async move {
            ctx.writer().finish_text("5").await?;
            Ok(Output::streamed("a number"))
        };
        let nothing = |_: Value, _: JobContext| async { Ok(()) };
        let parent = |agent: String, ctx: JobContext| async move {
            let work = Delegation::new(agent.as_str());
            if agent == "nothing" {
                let mut child = ctx.delegate(&work).await?;
                child.result::<()>().await?;
                assert!(matches!(child.result::<u64>().await, Err(ChildError::Unexpected(_))));
                return Ok(child.result::<Option<u64>>().await?);
            }
            // A failed child read as null would be a `None`.
            Ok(ctx.delegate(&work).await?.result::<Option<u64>>().await?)
        };
        let server = builder().agent("fails", fails).agent("streams", streams).agent("nothing", nothing);
        let server = server.agent("parent", parent).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let lease = json!({"agent.delegate": ["*"]});
        for (agent, expected) in [
            ("fails", Some("the delegated job ended with error: INVALID_REQUEST: no luck")),
            ("streams", Some("the delegated job has no inline result")),
            ("nothing", None),
        ] {
            let mut job = client.submit(&Submit::new("parent").input(&agent).lease(&lease)).await.unwrap();
            let fault = job.outcome().await.unwrap().fault;
            assert_eq!(fault.map(|fault| fault.message).as_deref(), expected, "{agent}");
        }
    });
}

async fn delegating(client: &Client, child_lease: Value) -> nuncio_shared::arcp::JobHandle {
    let submit =
        Submit::new("parent").input(&child_lease).lease(&json!({"agent.delegate": ["echo"], "fs.read": ["/ws/**"]}));
    client.submit(&submit).await.unwrap()
}

#[test]
fn a_child_can_be_awaited_by_its_parent_and_followed_by_the_client() {
    within(async {
        let server = builder().agent("parent", parent).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = delegating(&client, json!({"fs.read": ["/ws/sub/*"]})).await;
        let mut child = None;
        let mut delegated = 0;
        while let Some(update) = job.try_next().await.unwrap() {
            match update {
                Update::Event(event) if event.kind.as_str() == "delegate" => delegated += 1,
                Update::Child(handle) => child = Some(handle),
                _ => {}
            }
        }
        assert_eq!(delegated, 1);
        let mut child = child.expect("the client learns about the child");
        assert_eq!(child.info().parent_job_id.as_ref(), Some(job.job_id()));
        assert_eq!(child.info().delegate_id.as_deref(), Some("del_1"));
        assert_eq!(child.info().trace_id, job.info().trace_id);
        assert_eq!(child.outcome().await.unwrap().status, FinalStatus::Success);
        let seen: Value = job.collect(10_000).await.unwrap().json().unwrap();
        let expected = json!({"child": child.job_id(), "ok": true, "result": {"echoed": "from the parent"}});
        assert_eq!(seen, expected);
    });
}

#[test]
fn a_child_with_more_than_its_parents_lease_is_denied() {
    within(async {
        let server = builder().agent("parent", parent).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = delegating(&client, json!({"fs.read": ["/etc/**"]})).await;
        let fault = job.outcome().await.unwrap().fault.unwrap();
        assert_eq!(fault.known(), Some(ErrorCode::LeaseSubsetViolation));
    });
}

#[test]
fn an_emit_waits_while_the_log_is_full_and_nothing_is_lost() {
    const EVENTS: usize = 500;
    within(async {
        let (blocked, is_blocked) = smol::channel::unbounded();
        let floods = move |_: Value, ctx: JobContext| {
            let blocked = blocked.clone();
            async move {
                for number in 0..EVENTS {
                    let body = Body::log("info", &format!("{number} {}", "x".repeat(1_000)), None);
                    match ctx.try_emit(&body) {
                        Err(Refused::Blocked) => {
                            blocked.try_send(number).unwrap();
                            ctx.emit(&body).await?;
                        }
                        done => done?,
                    }
                }
                Ok(())
            }
        };
        let config = nuncio_shared::arcp::Config::default().with(|config| {
            config.limits.log_events = 16;
            config.limits.send_window = 4;
        });
        let tokens = nuncio_shared::auth::StaticTokens::new().with("tok-alice", "alice");
        let server =
            super::server::Server::builder().config(config).verifier(tokens).agent("floods", floods).build().unwrap();
        let config = nuncio_shared::arcp::ClientConfig::default().with(|config| config.limits.events = 8);
        let client = Client::over(memory_connector(&server), "tok-alice").config(config).connect().await.unwrap();
        let mut job = client.submit(&Submit::new("floods")).await.unwrap();
        // The client does not read, so the agent is blocked long before its end.
        assert!(is_blocked.recv().await.unwrap() < EVENTS - 1);
        let mut expected = 0;
        while let Some(event) = job.events().try_next().await.unwrap() {
            if event.kind.as_str() == "log" {
                let body: Value = event.body.parse().unwrap();
                assert!(body["message"].as_str().unwrap().starts_with(&format!("{expected} ")));
                expected += 1;
            }
        }
        assert_eq!(expected, EVENTS);
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
    });
}

/// An agent that never blocks runs where the connections are, and others do not.
#[test]
fn agents_that_do_not_block_run_on_the_thread_of_connections() {
    within(async {
        let place = |_: Value, ctx: JobContext| async move {
            let first = std::thread::current().name().map(str::to_owned);
            ctx.log(Level::Info, "still there").await?;
            Ok([first, std::thread::current().name().map(str::to_owned)])
        };
        let panics = |input: Value, _: JobContext| async move {
            assert!(input.is_null(), "as agents do");
            Ok(())
        };
        let server = builder()
            .agent("elsewhere", place)
            .nonblocking_agent("here", place)
            .nonblocking_agent("panics", panics)
            .build()
            .unwrap();
        let client = connect(&server, "tok-alice").await;
        let error = client.call::<_, ()>("panics", &1).await.unwrap_err();
        assert!(matches!(error, CallError::Job(error) if error.code == ErrorCode::InternalError));
        let io = Some("nuncio-io".to_owned());
        for _ in 0..20 {
            assert_eq!(client.call::<_, [Option<String>; 2]>("here", &1).await.unwrap(), [io.clone(), io.clone()]);
            let elsewhere = client.call::<_, [Option<String>; 2]>("elsewhere", &1).await.unwrap();
            assert!(elsewhere.iter().all(|name| *name != io), "{elsewhere:?}");
        }
    });
}

#[test]
fn blocking_agents_do_not_stall_sessions() {
    const WORKERS: usize = 2;
    let workers = server::workers(WORKERS);
    let gate = Arc::new(std::sync::Barrier::new(WORKERS + 1));
    let inside = Arc::clone(&gate);
    let blocks = move |_: Value, ctx: JobContext| {
        let gate = Arc::clone(&inside);
        async move {
            ctx.log(Level::Info, "about to block").await?;
            gate.wait();
            Ok(())
        }
    };
    within(async {
        let server = builder().agent("blocks", blocks).agent_runtime(workers.agents.clone()).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut jobs = Vec::new();
        for _ in 0..WORKERS {
            jobs.push(client.submit(&Submit::new("blocks")).await.unwrap());
        }
        for job in &mut jobs {
            let mut events = job.events();
            assert_eq!(events.try_next().await.unwrap().unwrap().kind.as_str(), "status");
            assert_eq!(events.try_next().await.unwrap().unwrap().kind.as_str(), "log");
        }
        // While every worker is blocked, a session can be opened and requests are answered.
        let other = connect(&server, "tok-alice2").await;
        let page = other.list(&nuncio_shared::arcp::ListQuery::default()).await.unwrap();
        assert_eq!(page.jobs.iter().filter(|job| job.status == "running").count(), WORKERS);
        gate.wait();
        for job in &mut jobs {
            assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        }
    });
}
