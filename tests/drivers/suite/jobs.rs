//! Agents run, succeed, fail and panic, and clients follow them.

use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::server::Server;
use super::support::{builder, connect, memory_connector, within};
use nuncio_shared::arcp::{
    BuildError, CallError, ClientBuildError, ClientError, Config, ErrorCode, Failure, FinalStatus, JobContext, Json,
    Level, ListQuery, Output, Reconnect, RequestFailure, SessionEnd, Submit, Subscribe, Update,
};
use nuncio_shared::auth::StaticTokens;
use serde::Deserialize;
use serde_json::{Value, json};

const CAP: usize = 1 << 20;

#[test]
fn echo_over_websocket() {
    within(async {
        let server = builder().build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let client = Client::builder(listening.url(), "tok-alice").unwrap().connect().await.unwrap();
        let submit = Submit::new("echo").input(&json!({"hi": [1, null, "x"]}));
        let mut job = client.submit(&submit).await.unwrap();
        let mut kinds = Vec::new();
        while let Some(event) = job.events().try_next().await.unwrap() {
            kinds.push(event.kind.as_str().to_owned());
        }
        assert_eq!(kinds, ["status", "log"]);
        let answer: Value = job.collect(CAP).await.unwrap().json().unwrap();
        assert_eq!(answer, json!({"echoed": {"hi": [1, null, "x"]}}));
        assert!(matches!(client.close().await, SessionEnd::Closed(_)));
        assert!(matches!(client.submit(&submit).await, Err(ClientError::Ended(_))));
    });
}

#[test]
fn many_jobs_of_many_clients_at_once() {
    within(async {
        let server = builder().build().unwrap();
        let clients = [connect(&server, "tok-alice").await, connect(&server, "tok-bob").await];
        let mut waiting = Vec::new();
        for number in 0..200 {
            let client = clients[number % 2].clone();
            waiting.push(smol::spawn(async move {
                let mut job = client.submit(&Submit::new("echo").input(&number)).await.unwrap();
                let answer: Value = job.collect(CAP).await.unwrap().json().unwrap();
                assert_eq!(answer, json!({"echoed": number}));
            }));
        }
        for job in waiting {
            job.await;
        }
    });
}

#[test]
fn input_is_typed_and_mismatched_input_is_invalid() {
    #[derive(Deserialize)]
    struct Pair {
        a: u32,
        b: u32,
    }
    within(async {
        let server =
            builder().agent("add", |pair: Pair, _: JobContext| async move { Ok(pair.a + pair.b) }).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("add").input(&json!({"a": 2, "b": 3}))).await.unwrap();
        assert_eq!(job.collect(CAP).await.unwrap().json::<u32>().unwrap(), 5);
        let mut job = client.submit(&Submit::new("add").input(&"no pair")).await.unwrap();
        let fault = job.outcome().await.unwrap().fault.unwrap();
        assert_eq!(fault.known(), Some(ErrorCode::InvalidRequest));
    });
}

#[test]
fn raw_input_arrives_as_it_was_written() {
    within(async {
        let raw = |input: Box<Json>, _: JobContext| async move { Ok(Output::Inline(input)) };
        let server = builder().agent("raw", raw).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let text = r#"{"z":1.00,"a":12345678901234567890123}"#;
        let input = Json::from_string(text.to_owned()).unwrap();
        let mut job = client.submit(&Submit::new("raw").input(&input)).await.unwrap();
        assert_eq!(job.collect(CAP).await.unwrap().text(), Some(text));
    });
}

#[test]
fn versions_resolve_as_in_section_7_5() {
    within(async {
        let version = |_: Value, ctx: JobContext| async move { Ok(format!("{:?}", ctx.version())) };
        let server = builder()
            .agent("ver@1.0.0", version)
            .agent("ver@2.0.0", version)
            .default_version("ver", "1.0.0")
            .build()
            .unwrap();
        let client = connect(&server, "tok-alice").await;
        for (asked, expected) in [("ver", "1.0.0"), ("ver@1.0.0", "1.0.0"), ("ver@2.0.0", "2.0.0")] {
            let mut job = client.submit(&Submit::new(asked)).await.unwrap();
            assert_eq!(job.info().agent.as_deref(), Some(format!("ver@{expected}").as_str()));
            let answer: String = job.collect(CAP).await.unwrap().json().unwrap();
            assert_eq!(answer, format!("Some({expected:?})"));
        }
        let error = client.submit(&Submit::new("ver@3.0.0")).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = error else { panic!("{error}") };
        assert_eq!(fault.known(), Some(ErrorCode::AgentVersionNotAvailable));
    });
}

#[test]
fn a_panic_is_an_internal_error_without_its_text() {
    within(async {
        let panics = |input: Value, _: JobContext| async move {
            assert!(!input.is_null(), "the secret is 42");
            Ok(())
        };
        let server = builder().agent("panics", panics).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("panics")).await.unwrap();
        let outcome = job.outcome().await.unwrap();
        assert_eq!(outcome.status, FinalStatus::Error);
        let fault = outcome.fault.unwrap();
        assert_eq!(fault.known(), Some(ErrorCode::InternalError));
        assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
        // The server continues.
        let mut job = client.submit(&Submit::new("echo")).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
    });
}

#[test]
fn an_agents_failure_keeps_its_code_and_details() {
    within(async {
        let fails = |code: String, _: JobContext| async move {
            Err::<(), _>(Failure::custom(code, "no luck").with_details(&json!({"k": 1})))
        };
        let server = builder().agent("fails", fails).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("fails").input(&"AGENT_NOT_AVAILABLE")).await.unwrap();
        let fault = job.outcome().await.unwrap().fault.unwrap();
        assert_eq!((fault.code.as_str(), fault.message.as_str()), ("AGENT_NOT_AVAILABLE", "no luck"));
        assert_eq!(fault.details.unwrap().as_str(), r#"{"k":1}"#);
        let mut job = client.submit(&Submit::new("fails").input(&"MY_OWN")).await.unwrap();
        let fault = job.outcome().await.unwrap().fault.unwrap();
        assert_eq!(fault.known(), Some(ErrorCode::InternalError));
    });
}

#[test]
fn jobs_beyond_an_agents_limit_wait_as_pending() {
    within(async {
        let gate = Arc::new(smol::lock::Semaphore::new(0));
        let opened = Arc::clone(&gate);
        let waits = move |_: Value, _: JobContext| {
            let gate = Arc::clone(&opened);
            async move {
                gate.acquire().await.forget();
                Ok(())
            }
        };
        let server = builder().agent("waits", waits).max_concurrent("waits", 1).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut first = client.submit(&Submit::new("waits")).await.unwrap();
        // This is `status` "running".
        assert!(matches!(first.try_next().await.unwrap(), Some(Update::Event(_))));
        let mut second = client.submit(&Submit::new("waits")).await.unwrap();
        let page = client.list(&ListQuery::default()).await.unwrap();
        let states: Vec<_> = page.jobs.iter().map(|job| (&job.job_id, job.status.as_str())).collect();
        assert_eq!(states, [(first.job_id(), "running"), (second.job_id(), "pending")]);
        gate.add_permits(2);
        assert_eq!(first.outcome().await.unwrap().status, FinalStatus::Success);
        assert_eq!(second.outcome().await.unwrap().status, FinalStatus::Success);
    });
}

#[test]
fn cancelling_asks_the_agent_and_tells_it_why() {
    within(async {
        let (sender, reasons) = smol::channel::unbounded();
        let patient = move |_: Value, ctx: JobContext| {
            let sender = sender.clone();
            async move {
                ctx.cancelled().await;
                sender.try_send(ctx.cancel_reason().map(str::to_owned)).unwrap();
                Ok(())
            }
        };
        let server = builder().agent("patient", patient).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("patient")).await.unwrap();
        job.cancel(Some("enough")).await.unwrap();
        let outcome = job.outcome().await.unwrap();
        assert_eq!(outcome.status, FinalStatus::Cancelled);
        assert_eq!(reasons.recv().await.unwrap().as_deref(), Some("enough"));
    });
}

#[test]
fn an_agent_that_ignores_its_cancellation_is_dropped_after_the_grace() {
    struct Tell(smol::channel::Sender<()>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.try_send(()).unwrap();
        }
    }
    within(async {
        let (sender, dropped) = smol::channel::unbounded();
        let stubborn = move |_: Value, _: JobContext| {
            let tell = Tell(sender.clone());
            async move {
                let _tell = tell;
                std::future::pending::<()>().await;
                Ok(())
            }
        };
        let config =
            nuncio_shared::arcp::Config::default().with(|config| config.cancel_grace = Duration::from_millis(1));
        let tokens = StaticTokens::new().with("tok-alice", "alice");
        let server = Server::builder().config(config).verifier(tokens).agent("stubborn", stubborn).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("stubborn")).await.unwrap();
        // The job is running.
        assert!(job.try_next().await.unwrap().is_some());
        job.cancel(None).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
        dropped.recv().await.unwrap();
    });
}

#[test]
fn a_subscriber_sees_history_and_another_principal_sees_nothing() {
    within(async {
        let server = builder().build().unwrap();
        let owner = connect(&server, "tok-alice").await;
        let mut job = owner.submit(&Submit::new("echo").input(&1)).await.unwrap();
        job.outcome().await.unwrap();
        let second = connect(&server, "tok-alice2").await;
        let history = Subscribe { history: true, from_event_seq: None };
        let mut watched = second.subscribe(job.job_id(), history).await.unwrap();
        assert!(watched.info().replayed);
        let mut kinds = Vec::new();
        while let Some(event) = watched.events().try_next().await.unwrap() {
            kinds.push(event.kind.as_str().to_owned());
        }
        assert_eq!(kinds, ["status", "log"]);
        assert_eq!(watched.outcome().await.unwrap().status, FinalStatus::Success);
        let stranger = connect(&server, "tok-bob").await;
        let error = stranger.subscribe(job.job_id(), history).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = error else { panic!("{error}") };
        assert_eq!(fault.known(), Some(ErrorCode::JobNotFound));
        assert!(stranger.list(&ListQuery::default()).await.unwrap().jobs.is_empty());
    });
}

/// The job goes on, and what has been missed is seen by another subscription.
#[test]
fn a_subscriber_that_does_not_keep_up_learns_that_its_subscription_has_ended() {
    const EVENTS: u64 = 3_000;
    within(async {
        let floods = async |_: Value, ctx: JobContext| {
            for number in 0..EVENTS {
                ctx.log(Level::Info, &number.to_string()).await?;
            }
            Ok::<_, Failure>(EVENTS)
        };
        let config = Config::default().with(|config| config.limits.log_events = 64);
        let server = builder().config(config).agent("floods", move |input, ctx| Box::pin(floods(input, ctx))).build();
        let server = server.unwrap();
        let owner = connect(&server, "tok-alice").await;
        let mut job = owner.submit(&Submit::new("floods")).await.unwrap();
        let second = connect(&server, "tok-alice2").await;
        let mut watched = second.subscribe(job.job_id(), Subscribe::default()).await.unwrap();
        // Nothing of it is read until the job has ended.
        assert_eq!(job.result::<u64>().await.unwrap(), EVENTS);
        let error = watched.result::<u64>().await.unwrap_err();
        assert!(matches!(error, CallError::Dropped), "{error}");
        let history = Subscribe { history: true, from_event_seq: None };
        let mut again = second.subscribe(job.job_id(), history).await.unwrap();
        assert_eq!(again.result::<u64>().await.unwrap(), EVENTS);
    });
}

#[test]
fn a_custom_policy_shows_jobs_to_others() {
    within(async {
        let server = builder().policy(nuncio_shared::arcp::AnyPrincipal).build().unwrap();
        let owner = connect(&server, "tok-alice").await;
        let mut job = owner.submit(&Submit::new("echo")).await.unwrap();
        job.outcome().await.unwrap();
        let other = connect(&server, "tok-bob").await;
        assert_eq!(other.list(&ListQuery::default()).await.unwrap().jobs.len(), 1);
        let mut watched = other.subscribe(job.job_id(), Subscribe::default()).await.unwrap();
        assert_eq!(watched.outcome().await.unwrap().status, FinalStatus::Success);
    });
}

#[test]
fn a_wrong_token_opens_nothing_and_says_so() {
    within(async {
        let server = builder().build().unwrap();
        for token in ["", "tok-alic", "tok-alice3"] {
            let error = Client::over(memory_connector(&server), token).connect().await.unwrap_err();
            let ClientBuildError::Session(SessionEnd::Closed(reason)) = error else { panic!("{error}") };
            assert!(reason.to_string().starts_with("UNAUTHENTICATED"), "{reason}");
        }
    });
}

#[test]
fn a_custom_verifier_decides() {
    within(async {
        let verifier = |claim: nuncio_shared::auth::Claim| async move {
            match claim.token.expose() {
                "down" => Err(nuncio_shared::auth::Rejection::Unavailable),
                "panic" => panic!("no verdict"),
                token => Ok(format!("user-{token}")),
            }
        };
        let whoami = |_: Value, ctx: JobContext| async move { Ok(ctx.principal().to_owned()) };
        let server = Server::builder().verifier(verifier).agent("whoami", whoami).build().unwrap();
        let client = connect(&server, "x").await;
        let mut job = client.submit(&Submit::new("whoami")).await.unwrap();
        assert_eq!(job.collect(CAP).await.unwrap().json::<String>().unwrap(), "user-x");
        for token in ["down", "panic"] {
            let error = Client::over(memory_connector(&server), token)
                .reconnect(Reconnect::never())
                .connect()
                .await
                .unwrap_err();
            assert!(error.to_string().contains("INTERNAL_ERROR"), "{error}");
        }
    });
}

#[test]
fn a_streamed_result_is_read_in_chunks_or_collected_up_to_a_cap() {
    within(async {
        let streams = |_: Value, ctx: JobContext| async move {
            let mut writer = ctx.writer();
            writer.write_text("hello ").await?;
            writer.write_bytes("w".repeat(200_000).as_bytes()).await?;
            writer.finish_text("!").await?;
            Ok(Output::streamed("three pieces"))
        };
        let server = builder().agent("streams", streams).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let expected = format!("hello {}!", "w".repeat(200_000));

        let mut job = client.submit(&Submit::new("streams")).await.unwrap();
        let mut bytes = Vec::new();
        let mut chunks = job.chunks();
        while let Some(chunk) = chunks.try_next().await.unwrap() {
            bytes.extend_from_slice(&chunk.data);
        }
        assert_eq!(bytes, expected.as_bytes());

        let mut job = client.submit(&Submit::new("streams")).await.unwrap();
        let collected = job.collect(CAP).await.unwrap();
        assert_eq!(collected.text(), Some(expected.as_str()));
        assert_eq!(collected.outcome.summary.as_deref(), Some("three pieces"));

        let mut job = client.submit(&Submit::new("streams")).await.unwrap();
        let error = job.collect(1_000).await.unwrap_err();
        assert!(matches!(error, CallError::TooLarge { cap: 1_000 }), "{error}");
    });
}

#[test]
fn an_inconsistent_server_is_not_built() {
    within(async {
        let agent = |_: Value, _: JobContext| async move { Ok(()) };
        let tokens = || StaticTokens::new().with("t", "p");
        assert!(matches!(Server::builder().agent("a", agent).build(), Err(BuildError::NoVerifier)));
        let both = Server::builder().verifier(tokens()).agent("a", agent).agent("a@1", agent);
        assert!(matches!(both.build(), Err(BuildError::Agent(_))));
        let unknown = Server::builder().verifier(tokens()).agent("a@1", agent).default_version("a", "2");
        assert!(matches!(unknown.build(), Err(BuildError::Agent(_))));
        let name = Server::builder().verifier(tokens()).agent("Not A Name", agent);
        assert!(matches!(name.build(), Err(BuildError::Agent(_))));
    });
}
