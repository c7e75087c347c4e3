//! The results of jobs, and the errors of jobs without one.

use std::time::Duration;

use nuncio_shared::arcp::{
    CallError, ClientConfig, ErrorCode, Failure, FinalStatus, JobContext, Level, Output, RemoteCode, SessionEnd,
    Submit, Subscribe,
};
use serde_json::{Value, json};

use super::client::Client;
use super::support::{builder, connect, memory_connector, scripted, within};

const CAP: usize = 1 << 20;

async fn fails(code: String, _: JobContext) -> Result<(), Failure> {
    Err(Failure::custom(code, "the printer is on fire").with_details(&json!({"printer": 7})))
}

/// Ten chunks of 1 000 bytes, with an event before each.
async fn streams(_: Value, ctx: JobContext) -> Result<Output, Failure> {
    let mut writer = ctx.writer();
    for number in 0..10 {
        ctx.log(Level::Info, &format!("chunk {number}")).await?;
        writer.write_text(&"x".repeat(1_000)).await?;
    }
    writer.finish().await?;
    Ok(Output::streamed("ten chunks"))
}

async fn waits(_: Value, ctx: JobContext) -> Result<(), Failure> {
    ctx.cancelled().await;
    Ok(())
}

#[test]
fn a_job_that_failed_is_an_error_wherever_its_result_is_asked_for() {
    within(async {
        let server = builder().agent("fails", fails).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let submit = Submit::new("fails").input("BUDGET_EXHAUSTED");
        let mut job = client.submit(&submit).await.unwrap();
        let errors = [
            job.result::<()>().await.unwrap_err(),
            job.collect(CAP).await.map(drop).unwrap_err(),
            job.chunks().try_next().await.map(drop).unwrap_err(),
            client.call::<_, Value>("fails", "BUDGET_EXHAUSTED").await.unwrap_err(),
        ];
        for error in errors {
            let CallError::Job(error) = error else { panic!("{error}") };
            assert_eq!(error.final_status, FinalStatus::Error);
            assert_eq!(error.code, ErrorCode::BudgetExhausted);
            assert_eq!(error.message, "the printer is on fire");
            assert_eq!(error.details.as_ref().unwrap().as_str(), r#"{"printer":7}"#);
            let id = &error.job_id;
            assert_eq!(error.to_string(), format!("the job {id} failed: the printer is on fire (BUDGET_EXHAUSTED)"));
        }
        // `outcome` returns how the job ended without an error.
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Error);
    });
}

#[test]
fn a_job_that_was_cancelled_or_ran_too_long_is_an_error_that_says_so() {
    within(async {
        let server = builder().agent("waits", waits).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("waits")).await.unwrap();
        job.cancel(Some("enough")).await.unwrap();
        let Err(CallError::Job(error)) = job.result::<Value>().await else { panic!("it has a result") };
        assert_eq!((error.final_status, error.code.known()), (FinalStatus::Cancelled, Some(ErrorCode::Cancelled)));
        let mut job = client.submit(&Submit::new("waits").max_runtime(Duration::from_secs(1))).await.unwrap();
        let Err(CallError::Job(error)) = job.collect(CAP).await else { panic!("it has a result") };
        assert_eq!((error.final_status, error.code.known()), (FinalStatus::TimedOut, Some(ErrorCode::Timeout)));
    });
}

#[test]
fn a_code_that_the_specification_does_not_have_is_kept_as_it_was_written() {
    within(async {
        let error = r#"{"type":"job.error","payload":{"final_status":"error","code":"OUT_OF_PAPER",
            "message":"insert paper","retryable":true}}"#;
        let client = Client::over(scripted(&[error]), "t").connect().await.unwrap();
        let Err(CallError::Job(error)) = client.call::<_, Value>("print", &json!({})).await else { panic!("printed") };
        assert_eq!(error.code, RemoteCode::Other("OUT_OF_PAPER".to_owned()));
        let expected = "the job job_1 failed: insert paper (OUT_OF_PAPER); it may succeed if it is submitted again";
        assert_eq!(error.to_string(), expected);
    });
}

#[test]
fn a_call_is_a_submit_and_its_result() {
    within(async {
        let add = |(a, b): (u32, u32), _: JobContext| async move { Ok(a + b) };
        let server = builder().agent("add", add).agent("streams", streams).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        assert_eq!(client.call::<_, u32>("add", &(2, 3)).await.unwrap(), 5);
        let error = client.call::<_, String>("add", &(2, 3)).await.unwrap_err();
        assert!(matches!(error, CallError::Decode(_)), "{error}");
        let error = client.call::<_, u32>("nobody", &()).await.unwrap_err();
        let CallError::Request(error) = error else { panic!("{error}") };
        assert_eq!(error.fault().unwrap().known(), Some(ErrorCode::AgentNotAvailable));
        client.close().await;
        let error = client.call::<_, u32>("add", &(2, 3)).await.unwrap_err();
        assert!(matches!(error, CallError::Session(_)), "{error}");
    });
}

#[test]
fn a_result_is_whole_after_its_events_were_read() {
    within(async {
        let server = builder().agent("streams", streams).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("streams")).await.unwrap();
        let mut events = 0;
        while job.events().try_next().await.unwrap().is_some() {
            events += 1;
        }
        assert_eq!(events, 11);
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        assert_eq!(job.collect(10_000).await.unwrap().streamed, "x".repeat(10_000).as_bytes());
        // It was returned already, and is not kept as well.
        let again = job.collect(10_000).await.unwrap_err();
        assert!(matches!(again, CallError::Consumed { bytes: 10_000 }), "{again}");
    });
}

#[test]
fn chunks_that_were_passed_over_are_read_afterwards() {
    within(async {
        let server = builder().agent("streams", streams).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("streams")).await.unwrap();
        // The fourth log comes after three chunks.
        for _ in 0..5 {
            job.events().try_next().await.unwrap().unwrap();
        }
        let mut bytes = 0;
        let mut chunks = job.chunks();
        while let Some(chunk) = chunks.try_next().await.unwrap() {
            bytes += chunk.data.len();
        }
        assert_eq!(bytes, 10_000);
    });
}

#[test]
fn a_result_of_which_chunks_were_taken_is_refused_and_never_half_of_it() {
    within(async {
        let server = builder().agent("streams", streams).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("streams")).await.unwrap();
        assert_eq!(job.chunks().try_next().await.unwrap().unwrap().data.len(), 1_000);
        let error = job.result::<Value>().await.unwrap_err();
        assert!(matches!(error, CallError::Consumed { bytes: 1_000 }), "{error}");
        let mut job = client.submit(&Submit::new("streams")).await.unwrap();
        while job.try_next().await.unwrap().is_some() {}
        let error = job.collect(CAP).await.unwrap_err();
        assert!(matches!(error, CallError::Consumed { bytes: 10_000 }), "{error}");
    });
}

#[test]
fn a_result_that_is_too_large_to_keep_is_refused_and_never_half_of_it() {
    within(async {
        let server = builder().agent("streams", streams).build().unwrap();
        let client =
            Client::over(memory_connector(&server), "tok-alice").max_result_bytes(9_999).connect().await.unwrap();
        let error = client.call::<_, Value>("streams", &()).await.unwrap_err();
        assert!(matches!(error, CallError::TooLarge { cap: 9_999 }), "{error}");
        let mut job = client.submit(&Submit::new("streams")).await.unwrap();
        while job.events().try_next().await.unwrap().is_some() {}
        let error = job.collect(CAP).await.unwrap_err();
        assert!(matches!(error, CallError::TooLarge { cap: 9_999 }), "{error}");
        let mut job = client.submit(&Submit::new("streams")).await.unwrap();
        assert_eq!(job.collect(10_000).await.unwrap().streamed.len(), 10_000, "the caller may allow more");
    });
}

#[test]
fn a_collect_that_is_dropped_loses_nothing() {
    within(async {
        let (sender, gate) = smol::channel::unbounded::<()>();
        let halts = move |_: Value, ctx: JobContext| {
            let gate = gate.clone();
            async move {
                let mut writer = ctx.writer();
                writer.write_text("first ").await?;
                gate.recv().await.map_err(|_| Failure::internal("the gate is gone"))?;
                writer.finish_text("last").await?;
                Ok(Output::streamed("halted"))
            }
        };
        let server = builder().agent("halts", halts).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("halts")).await.unwrap();
        // `running`; the chunk follows directly.
        assert!(job.events().try_next().await.unwrap().is_some());
        for _ in 0..1_000 {
            assert!(smol::future::poll_once(job.collect(CAP)).await.is_none());
            smol::future::yield_now().await;
        }
        sender.send(()).await.unwrap();
        assert_eq!(job.collect(CAP).await.unwrap().text(), Some("first last"));
    });
}

#[test]
fn a_streamed_result_that_is_shorter_than_its_size_is_an_error() {
    within(async {
        let chunk = r#"{"type":"job.event","payload":{"kind":"result_chunk","body":{"result_id":"r",
            "chunk_seq":0,"data":"half","encoding":"utf8","more":false}}}"#;
        let end = r#"{"type":"job.result","payload":{"final_status":"success","result_id":"r",
            "result_size":8}}"#;
        let client = Client::over(scripted(&[chunk, end]), "t").connect().await.unwrap();
        let mut job = client.submit(&Submit::new("a")).await.unwrap();
        let error = job.collect(CAP).await.unwrap_err();
        assert!(matches!(error, CallError::Broken(_)), "{error}");
        // The stream of chunks ends with the same error.
        let mut job = client.submit(&Submit::new("a")).await.unwrap();
        let mut chunks = job.chunks();
        assert_eq!(&chunks.try_next().await.unwrap().unwrap().data[..], b"half");
        assert!(matches!(chunks.try_next().await, Err(CallError::Broken(_))));
    });
}

#[test]
fn a_streamed_result_that_is_broken_says_why() {
    let chunk = |seq: u8, more: bool| {
        let text = format!(
            r#"{{"type":"job.event","payload":{{"kind":"result_chunk","body":{{"result_id":"r","chunk_seq":{seq},
                "data":"half","encoding":"utf8","more":{more}}}}}}}"#
        );
        &*text.leak()
    };
    let end = r#"{"type":"job.result","payload":{"final_status":"success","result_id":"r"}}"#;
    for (frames, reason) in [
        (vec![chunk(0, true), end], "the job ended before its result was complete"),
        (vec![chunk(0, true), chunk(2, false), end], "a chunk is missing"),
        (vec![chunk(0, false), chunk(1, false), end], "a chunk follows the last one"),
    ] {
        within(async {
            let client = Client::over(scripted(&frames), "t").connect().await.unwrap();
            let expected = format!("the streamed result is broken: {reason}");
            let mut job = client.submit(&Submit::new("a")).await.unwrap();
            assert_eq!(job.collect(CAP).await.unwrap_err().to_string(), expected);
            // It is still known why after the events were read first.
            let mut job = client.submit(&Submit::new("a")).await.unwrap();
            while job.events().try_next().await.unwrap().is_some() {}
            assert_eq!(job.collect(CAP).await.unwrap_err().to_string(), expected);
            // Those who take chunk after chunk are told the same.
            let mut job = client.submit(&Submit::new("a")).await.unwrap();
            let mut chunks = job.chunks();
            let error = loop {
                match chunks.try_next().await {
                    Ok(chunk) => assert!(chunk.is_some(), "the stream ends as if it was whole"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.to_string(), expected);
        });
    }
}

#[test]
fn a_success_without_a_result_is_null() {
    within(async {
        let end = r#"{"type":"job.result","payload":{"final_status":"success"}}"#;
        let client = Client::over(scripted(&[end]), "t").connect().await.unwrap();
        assert_eq!(client.call::<_, Option<u8>>("a", &()).await.unwrap(), None);
        client.call::<_, ()>("a", &()).await.unwrap();
    });
}

#[test]
fn a_history_larger_than_the_limits_that_comes_before_its_answer_is_followed() {
    within(async {
        let event = r#"{"type":"job.event","payload":{"kind":"log","body":{"level":"info","message":"m"}}}"#;
        let mut frames = vec![event; 3_000];
        frames.push(r#"{"type":"job.result","payload":{"final_status":"success","result":7}}"#);
        let client = Client::over(scripted(&frames), "t").connect().await.unwrap();
        let history = Subscribe { history: true, ..Subscribe::default() };
        let mut job = client.subscribe("job_1", history).await.unwrap();
        let mut events = 0;
        while job.events().try_next().await.unwrap().is_some() {
            events += 1;
        }
        assert_eq!((events, job.result::<u8>().await.unwrap()), (3_000, 7));
    });
}

#[test]
fn a_result_that_the_runtime_no_longer_has_is_an_error() {
    within(async {
        let config = ClientConfig::default().with(|config| config.request_timeout = Duration::from_secs(2));
        let client = Client::over(scripted(&[]), "t").config(config).connect().await.unwrap();
        let mut job = client.subscribe("job_1", Subscribe::default()).await.unwrap();
        let error = job.result::<Value>().await.unwrap_err();
        assert!(matches!(error, CallError::Unknown), "{error}");
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
    });
}

#[test]
fn the_end_of_a_job_is_no_item_and_the_end_of_its_session_is_an_error() {
    within(async {
        let server = builder().agent("waits", waits).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut ended = client.submit(&Submit::new("echo")).await.unwrap();
        let mut waiting = client.submit(&Submit::new("waits")).await.unwrap();
        let mut streamed = client.submit(&Submit::new("waits")).await.unwrap();
        while ended.events().try_next().await.unwrap().is_some() {}
        // `running`
        assert!(matches!(waiting.try_next().await, Ok(Some(_))));
        client.close().await;
        assert!(matches!(ended.try_next().await, Ok(None)), "the job ended before the session");
        for _ in 0..2 {
            assert!(matches!(waiting.try_next().await, Err(SessionEnd::Closed(_))));
            assert!(matches!(waiting.events().try_next().await, Err(SessionEnd::Closed(_))));
            assert!(matches!(waiting.chunks().try_next().await, Err(CallError::Session(SessionEnd::Closed(_)))));
        }
        assert!(matches!(waiting.result::<Value>().await, Err(CallError::Session(SessionEnd::Closed(_)))));
        // In the stream of updates it is the last item.
        let items: Vec<_> = smol::stream::StreamExt::collect(&mut streamed).await;
        assert!(matches!(items.last(), Some(Err(SessionEnd::Closed(_)))));
        assert_eq!(items.iter().filter(|item| item.is_err()).count(), 1);
    });
}
