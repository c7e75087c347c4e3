//! How handlers fail, panic, block and are called again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_lite::StreamExt as _;
use serde_json::Value;

use super::cap::{
    BuildError, Drained, ErrorCode, Failure, JobContext, JobResult, JobStatus, MemoryBus, MemoryStore, Submit, Worker,
    WorkerBuilder,
};
use super::support::Net;
use crate::on::within;

/// Runs one job on a worker, and returns its result.
async fn run(builder: WorkerBuilder, submit: Submit) -> JobResult {
    let net = Net::new().await;
    let (_worker, _) = net.worker(builder).await;
    let (client, _) = net.client();
    client.submit(submit).await.unwrap().outcome().await.unwrap()
}

#[test]
fn an_input_of_another_type_fails_the_job_at_once() {
    within(async {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let builder = Worker::builder().retries(3).job("job.count", move |_: JobContext, words: Vec<String>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { Ok(words.len()) }
        });
        let result = run(builder, Submit::new("job.count").input(&7)).await;
        assert_eq!((result.status, result.error_code_enum), (JobStatus::FAILED, ErrorCode::JOB_INVALID_INPUT));
        assert!(result.error_message.contains("invalid type: integer `7`, expected a sequence"), "{result:?}");
        let text = Submit::new("job.count").raw_input("not JSON");
        let result = run(Worker::builder().job("job.count", |_: JobContext, _: Value| async { Ok(()) }), text).await;
        assert_eq!(result.error_code_enum, ErrorCode::JOB_INVALID_INPUT);
        assert_eq!(calls.load(Ordering::SeqCst), 0);
    });
}

/// The bus in memory has no thread of its own that the worker could use.
#[test]
fn a_handler_that_never_blocks_runs_on_the_thread_of_its_worker() {
    within(async {
        let thread = |_: JobContext, (): ()| async { Ok(std::thread::current().name().map(str::to_owned)) };
        let net = Net::new().await;
        let builder = Worker::builder().job("job.elsewhere", thread).nonblocking_job("job.there", thread);
        let (_worker, _) = net.worker(builder).await;
        let (client, _) = net.client();
        let ran = async |topic: &str| {
            let mut job = client.submit(Submit::new(topic)).await.unwrap();
            job.result::<Option<String>>().await.unwrap()
        };
        assert_eq!(ran("job.there").await.as_deref(), Some("nuncio-worker"));
        assert_ne!(ran("job.elsewhere").await.as_deref(), Some("nuncio-worker"));
    });
}

#[test]
fn a_failure_has_the_status_and_code_that_the_handler_gives() {
    within(async {
        let cases = [
            (Failure::new("plain"), JobStatus::FAILED),
            (Failure::retryable("later"), JobStatus::FAILED_RETRYABLE),
            (Failure::fatal("never"), JobStatus::FAILED_FATAL),
        ];
        for (failure, status) in cases {
            let message = failure.message().to_owned();
            let failure = failure.code(ErrorCode(1_007));
            let builder = Worker::builder().job("job.fail", move |_: JobContext, (): ()| {
                let failure = failure.clone();
                async move { Err::<(), _>(failure) }
            });
            let result = run(builder, Submit::new("job.fail")).await;
            assert_eq!((result.status, result.error_code_enum), (status, ErrorCode(1_007)));
            assert_eq!(result.error_message, message);
        }
    });
}

#[test]
fn errors_of_other_libraries_fail_a_job_with_their_text() {
    within(async {
        let parse = |_: JobContext, text: String| async move { Ok(text.parse::<u8>()?) };
        let result = run(Worker::builder().job("job.parse", parse), Submit::new("job.parse").input("x")).await;
        assert_eq!(
            (result.status, result.error_message.as_str()),
            (JobStatus::FAILED, "invalid digit found in string")
        );
    });
}

#[test]
fn a_handler_that_fails_is_called_again() {
    within(async {
        let third_time = |ctx: JobContext, (): ()| async move {
            if ctx.attempt() < 3 { Err(Failure::new("not yet")) } else { Ok(ctx.attempt()) }
        };
        let net = Net::new().await;
        let pause = Duration::from_micros(1);
        let builder = Worker::builder().retries(2).backoff(pause, pause).job("job.try", third_time);
        let (_worker, _) = net.worker(builder).await;
        let (client, _) = net.client();
        let mut job = client.submit(Submit::new("job.try")).await.unwrap();
        assert_eq!(job.result::<u32>().await.unwrap(), 3);
    });
}

#[test]
fn a_handler_that_panics_fails_its_job_only() {
    within(async {
        let net = Net::new().await;
        let divide = |_: JobContext, by: u32| async move { Ok(84_u32.checked_div(by).expect("not zero")) };
        let before = |_: JobContext, by: u32| {
            assert!(by > 0, "before the future is there");
            async move { Ok(84 / by) }
        };
        let blocking = |_: JobContext, by: u32| Ok(84_u32.checked_div(by).expect("not zero"));
        let builder = Worker::builder().job("job.1", divide).job("job.2", before).blocking_job("job.3", blocking);
        let (_worker, _) = net.worker(builder).await;
        let (client, _) = net.client();
        for topic in ["job.1", "job.2", "job.3"] {
            let result = client.submit(Submit::new(topic).input(&0)).await.unwrap().outcome().await.unwrap();
            assert_eq!((result.status, result.error_message.as_str()), (JobStatus::FAILED, "the handler panicked"));
            let answer: u32 = client.submit(Submit::new(topic).input(&2)).await.unwrap().result().await.unwrap();
            assert_eq!(answer, 42);
        }
    });
}

#[test]
fn a_blocking_handler_holds_up_neither_heartbeats_nor_other_jobs() {
    within(async {
        let net = Net::new().await;
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let block = move |ctx: JobContext, (): ()| {
            ctx.progress(1).send_blocking()?;
            wait.lock().unwrap().recv()?;
            Ok(())
        };
        let builder = Worker::builder()
            .id("worker-1")
            .parallel(2)
            .heartbeat_interval(Duration::from_millis(1))
            .blocking_job("job.block", block)
            .job("job.echo", |_: JobContext, input: Value| async move { Ok(input) });
        let mut heartbeats = {
            use super::cap::Bus as _;
            net.bus.subscribe("sys.heartbeat", None).await.unwrap()
        };
        let (_worker, _) = net.worker(builder).await;
        let (client, _) = net.client();
        let mut blocked = client.submit(Submit::new("job.block")).await.unwrap();
        blocked.progress().next().await.unwrap();
        let mut echo = client.submit(Submit::new("job.echo").input("hello")).await.unwrap();
        assert_eq!(echo.result::<String>().await.unwrap(), "hello");
        for _ in 0..3 {
            heartbeats.next().await.unwrap();
        }
        go_on.send(()).unwrap();
        blocked.result::<()>().await.unwrap();
    });
}

#[test]
fn no_more_handlers_run_than_there_are_slots() {
    within(async {
        let net = Net::new().await;
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
        let builder = Worker::builder().parallel(2).job("job.work", move |_: JobContext, (): ()| {
            let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
            async move {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..100 {
                    futures_lite::future::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        });
        let (_worker, _) = net.worker(builder).await;
        let (client, _) = net.client();
        let mut jobs = Vec::new();
        for _ in 0..20 {
            jobs.push(client.submit(Submit::new("job.work")).await.unwrap());
        }
        for mut job in jobs {
            job.result::<()>().await.unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    });
}

#[test]
fn a_worker_says_how_many_jobs_run_and_wait() {
    within(async {
        let net = Net::new().await;
        let (go_on, wait) = smol::channel::unbounded::<()>();
        let gate = move |_: JobContext, (): ()| {
            let wait = wait.clone();
            async move { Ok(wait.recv().await?) }
        };
        let (worker, _) = net.worker(Worker::builder().parallel(1).job("job.gate", gate)).await;
        assert_eq!((worker.running(), worker.queued()), (0, 0));
        let (client, _) = net.client();
        let mut jobs = Vec::new();
        for _ in 0..3 {
            jobs.push(client.submit(Submit::new("job.gate")).await.unwrap());
        }
        while (worker.running(), worker.queued()) != (1, 2) {
            smol::future::yield_now().await;
        }
        for mut job in jobs {
            go_on.send(()).await.unwrap();
            job.result::<()>().await.unwrap();
        }
        while (worker.running(), worker.queued()) != (0, 0) {
            smol::future::yield_now().await;
        }
    });
}

#[test]
fn a_handler_sees_that_its_job_was_cancelled() {
    within(async {
        let net = Net::new().await;
        let (tell, told) = smol::channel::unbounded();
        let handler = move |ctx: JobContext, (): ()| {
            let tell = tell.clone();
            async move {
                let before = (ctx.is_cancelled(), ctx.cancellation().is_cancelled());
                ctx.progress(1).await?;
                ctx.cancellation().cancelled().await;
                ctx.cancelled().await;
                let after = (ctx.is_cancelled(), ctx.cancellation().is_cancelled());
                tell.send([before, after]).await?;
                Ok(())
            }
        };
        let (_worker, _) = net.worker(Worker::builder().job("job.wait", handler)).await;
        let (client, _) = net.client();
        let mut job = client.submit(Submit::new("job.wait")).await.unwrap();
        job.progress().next().await.unwrap();
        job.cancel("no longer needed").unwrap();
        assert_eq!(told.recv().await.unwrap(), [(false, false), (true, true)]);
        assert_eq!(job.outcome().await.unwrap().status, JobStatus::CANCELLED);
    });
}

#[test]
fn a_request_that_comes_again_is_answered_and_not_run_again() {
    within(async {
        use super::cap::Bus as _;
        let net = Net::new().await;
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let builder = Worker::builder().job("job.once", move |_: JobContext, (): ()| {
            let call = counted.fetch_add(1, Ordering::SeqCst);
            async move { Ok(call) }
        });
        let (_worker, _) = net.worker(builder).await;
        let (client, _) = net.client();
        client.submit(Submit::new("job.once")).await.unwrap().result::<usize>().await.unwrap();
        let request = net.await_message("job.once").await;
        let mut results = net.bus.subscribe("sys.job.result", None).await.unwrap();
        net.bus.publish(request).await.unwrap();
        results.next().await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_drain_finishes_what_runs_and_takes_no_more() {
    within(async {
        let net = Net::new().await;
        let slow = |ctx: JobContext, (): ()| async move {
            ctx.progress(1).await?;
            for _ in 0..1_000 {
                futures_lite::future::yield_now().await;
            }
            Ok(7)
        };
        let (worker, _) = net.worker(Worker::builder().job("job.slow", slow)).await;
        let (client, _) = net.client();
        let mut job = client.submit(Submit::new("job.slow")).await.unwrap();
        job.progress().next().await.unwrap();
        assert_eq!(worker.drain(Duration::from_mins(1)).await, Drained::Finished);
        assert_eq!(job.result::<u8>().await.unwrap(), 7);
    });
}

#[test]
fn a_drain_ends_at_its_limit() {
    within(async {
        let net = Net::new().await;
        let hang = |ctx: JobContext, (): ()| async move {
            ctx.progress(1).await?;
            std::future::pending::<Result<(), Failure>>().await
        };
        let (worker, _) = net.worker(Worker::builder().job("job.hang", hang)).await;
        let (client, _) = net.client();
        let mut job = client.submit(Submit::new("job.hang")).await.unwrap();
        job.progress().next().await.unwrap();
        assert_eq!(worker.drain(Duration::from_millis(1)).await, Drained::TimedOut { jobs: 1, results: 0 });
    });
}

#[test]
fn a_worker_that_cannot_work_is_not_made() {
    within(async {
        let start = |builder: WorkerBuilder| builder.start(MemoryBus::new(), MemoryStore::new()).map(drop);
        let echo = |_: JobContext, input: Value| async move { Ok(input) };
        assert!(matches!(start(Worker::builder()), Err(BuildError::NoHandler)));
        assert!(matches!(start(Worker::builder().job("sys.job", echo)), Err(BuildError::Topic { .. })));
        assert!(matches!(start(Worker::builder().job("job.*", echo)), Err(BuildError::Topic { .. })));
        let twice = Worker::builder().job("job.echo", echo).job("job.echo", echo);
        assert!(matches!(start(twice), Err(BuildError::TwoHandlers(topic)) if topic == "job.echo"));
        assert!(matches!(start(Worker::builder().id("a b").job("job.echo", echo)), Err(BuildError::Id { .. })));
    });
}
