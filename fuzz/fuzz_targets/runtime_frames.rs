//! Lines of bytes as the frames of one connection that is admitted; its agent answers and emits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuncio_core::arcp::{AgentSpec, Body, Config, Event, JobResult, Json, Output, Runtime, Via};
use nuncio_core::time::Time;

const HELLO: &[u8] = br#"{"arcp":"1.1","id":"h","type":"session.hello","payload":{"auth":{"scheme":"bearer","token":"t"},"capabilities":{"features":["heartbeat","ack","list_jobs","subscribe","lease_expires_at","cost.budget","model.use","progress","result_chunk","agent_versions"]}}}"#;

fn drain(runtime: &mut Runtime, now: Time, started: &mut u32) {
    while let Some(output) = runtime.poll_output() {
        match output {
            Output::Send { conn, .. } => runtime.handle_sent(now, conn, 1),
            Output::Event { event: Event::Authenticate { conn, .. }, .. } => {
                runtime.admit(now, conn, "alice").expect("it waits for this");
            }
            Output::Event { event: Event::Submitted { job, .. }, .. } => {
                runtime.start(now, job, Vec::new()).expect("it waits for this");
            }
            Output::Event { event: Event::Start { job }, .. } => {
                let _ = runtime.emit(now, job, &Body::thought("at work"));
                *started += 1;
                // Every second job goes on running.
                if started.is_multiple_of(2) {
                    let done: Box<Json> = Json::from_string("1".to_owned()).expect("JSON");
                    runtime.finish(now, job, JobResult::Inline(&done)).expect("it runs");
                }
            }
            Output::Event { .. } | Output::Store { .. } | Output::Reading { .. } | Output::Close { .. } => {}
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut now = Time(1_779_000_000_000_000);
    let mut started = 0;
    let mut runtime = Runtime::new(Config::default(), [7; 32], now);
    for name in ["echo", "ver"] {
        runtime.register(AgentSpec::new(name)).expect("a good name");
    }
    let greeted = data.first().is_some_and(|first| first % 2 == 0);
    let mut conn = runtime.handle_open(now, Via::Memory);
    if greeted {
        runtime.handle_frame(now, conn, HELLO);
        drain(&mut runtime, now, &mut started);
    }
    for line in data.split(|byte| *byte == b'\n') {
        if line.is_empty() {
            runtime.handle_close(now, conn);
            conn = runtime.handle_open(now, Via::Memory);
            now = now.plus_secs(1);
        } else if runtime.reading(conn) {
            runtime.handle_frame(now, conn, line);
        }
        runtime.handle_timeout(now);
        drain(&mut runtime, now, &mut started);
    }
    assert!(runtime.bytes_held() < 64 << 20, "{} bytes are held", runtime.bytes_held());
});
