//! What a worker is told, and what comes back.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::arcp::{CallError, ErrorCode, FinalStatus, Server, Submit};
use super::super::bridge::Pool;
use super::super::cap::{
    BlobStore as _, Client, ErrorCode as CapCode, Failure, JobContext, JobStatus, MemoryBus, MemoryStore, Pointer,
    Worker,
};
use super::{Net, connect, events, progress};
use crate::on::within;

#[test]
fn a_job_of_which_the_pool_says_nothing_is_reported_once() {
    within(async {
        // There is no router.
        let client = Client::builder().id("front").connect(MemoryBus::new(), MemoryStore::new()).unwrap();
        let tokens = nuncio_shared::auth::StaticTokens::new().with("tok-alice", "alice");
        let pool = Pool::new(client).warn_after(Duration::from_millis(1));
        let server = pool.serve(Server::builder().verifier(tokens), "work", "job.work").unwrap().build().unwrap();
        let client = connect(&server).await;
        let mut job = client.submit(&Submit::new("work").max_runtime(Duration::from_secs(1))).await.unwrap();
        let events = events(&mut job).await;
        let [(kind, body)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((kind.as_str(), &body["level"]), ("log", &json!("warn")));
        let said = body["message"].as_str().unwrap();
        for what in ["no worker of the pool has said", r#"the topic "job.work""#, r#"requests of "front""#] {
            assert!(said.contains(what), "{what}: {said}");
        }
        assert_eq!(body["attributes"], json!({"source": "pool"}));
    });
}

#[test]
fn a_worker_is_told_who_asks_and_what_it_may_do() {
    within(async {
        let net = Net::new().await;
        let tells = |ctx: JobContext, input: Value| async move {
            let request = ctx.request();
            Ok(json!({
                "input": input,
                "job": ctx.job_id(),
                "trace": ctx.trace_id(),
                "principal": request.principal_id,
                "lease": ctx.labels().get("x-lease-ptr"),
                "version": ctx.labels().get("x-agent-version"),
                "deadline": request.budget.as_ref().map(|budget| budget.deadline_ms),
            }))
        };
        let _worker = net.worker(Worker::builder().job("job.work", tells)).await;
        let server = net.front().build().unwrap();
        let client = connect(&server).await;
        let lease = json!({"tool.call": ["search"], "net.fetch": ["https://example.com/**"]});
        let submit = Submit::new("work").input(&7).lease(&lease).max_runtime(Duration::from_hours(1));
        let mut job = client.submit(&submit).await.unwrap();
        let told: Value = job.result().await.unwrap();
        assert_eq!((&told["input"], &told["principal"], &told["version"]), (&json!(7), &json!("alice"), &json!("2")));
        assert_eq!(told["job"], json!(job.job_id().as_str()), "both sides name the job alike");
        assert_eq!(told["trace"], json!(job.info().trace_id.unwrap().to_string()));
        let deadline = told["deadline"].as_u64().unwrap();
        assert!((1..=3_600_000).contains(&deadline), "{deadline}");
        let pointer = Pointer::parse(told["lease"].as_str().unwrap()).unwrap();
        let blob = net.store.get(&pointer.key, 1 << 16).await.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&blob).unwrap(), lease);
        // Without a limit of its own, a job has none in the pool.
        let told: Value = client.submit(&Submit::new("work")).await.unwrap().result().await.unwrap();
        assert_eq!((&told["deadline"], &told["input"]), (&Value::Null, &Value::Null));
    });
}

#[test]
fn progress_and_artifacts_are_events_before_the_result() {
    within(async {
        let net = Net::new().await;
        let works = |ctx: JobContext, (): ()| async move {
            ctx.progress(10).step("read").message("page 1").await?;
            ctx.progress(10).step("read").message("page 1").await?;
            ctx.progress(60).artifact("mem://part-1").await?;
            ctx.progress(100).message("done").await?;
            Ok("result")
        };
        let _worker = net.worker(Worker::builder().job("job.work", works)).await;
        let server = net.front().build().unwrap();
        let mut job = connect(&server).await.submit(&Submit::new("work")).await.unwrap();
        let artifact = json!({"uri": "mem://part-1", "content_type": "application/octet-stream"});
        let expected = [
            progress(10, "read: page 1"),
            progress(10, "read: page 1"),
            ("artifact_ref".to_owned(), artifact),
            ("progress".to_owned(), json!({"current": 60, "total": 100})),
            progress(100, "done"),
        ];
        assert_eq!(events(&mut job).await, expected);
        assert_eq!(job.result::<String>().await.unwrap(), "result");
    });
}

#[test]
fn a_long_result_is_streamed() {
    within(async {
        let net = Net::new().await;
        let writes = |_: JobContext, length: usize| async move { Ok("x".repeat(length)) };
        let _worker = net.worker(Worker::builder().job("job.work", writes)).await;
        let server = net.front().build().unwrap();
        let client = connect(&server).await;
        for length in [0, 1_000, (256 << 10) - 2, (256 << 10) - 1, 1 << 20] {
            let mut job = client.submit(&Submit::new("work").input(&length)).await.unwrap();
            let collected = job.collect(2 << 20).await.unwrap();
            let text: String = collected.json().unwrap();
            assert_eq!(text.len(), length);
        }
    });
}

#[test]
fn an_error_of_a_worker_is_the_error_of_the_job() {
    within(async {
        let net = Net::new().await;
        let fails = |_: JobContext, code: i32| async move {
            Err::<(), _>(Failure::fatal("the printer is on fire").code(CapCode(code)))
        };
        let _worker = net.worker(Worker::builder().id("worker-1").job("job.work", fails)).await;
        let server = net.front().build().unwrap();
        let client = connect(&server).await;
        for (code, expected) in [
            (CapCode::JOB_PERMISSION_DENIED, ErrorCode::PermissionDenied),
            (CapCode::JOB_INVALID_INPUT, ErrorCode::InvalidRequest),
            (CapCode::UNSPECIFIED, ErrorCode::InternalError),
        ] {
            let mut job = client.submit(&Submit::new("work").input(&code.0)).await.unwrap();
            let CallError::Job(error) = job.result::<()>().await.unwrap_err() else { panic!("no error of the job") };
            assert_eq!(error.final_status, FinalStatus::Error);
            assert_eq!(error.code, expected);
            assert_eq!(error.message, "the printer is on fire");
            let details: Value = error.details.unwrap().parse().unwrap();
            let status = format!("{:?}", JobStatus::FAILED_FATAL);
            assert_eq!((&details["cap_status"], &details["worker_id"]), (&json!(status), &json!("worker-1")));
        }
    });
}
