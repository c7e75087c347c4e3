//! Both state machines in one thread, which carries their frames: no sockets, no async runtime, no clock.

use std::error::Error;

use bytes::Bytes;
use nuncio_core::arcp::client::{Outcome, Product, SubmitArgs};
use nuncio_core::arcp::{AgentSpec, Body, Client, ClientConfig, ClientEvent, ClientOutput, Config};
use nuncio_core::arcp::{ConnId, Event, JobResult, Json, Output, Refused, Runtime, Secret, Via};
use nuncio_core::time::Time;

/// Plays the runtime's host: handles its outputs in order, answers its questions, and does the work of the agent.
fn host(runtime: &mut Runtime, now: Time, to_client: &mut Vec<Bytes>) -> Result<(), Refused> {
    while let Some(output) = runtime.poll_output() {
        match output {
            Output::Send { conn, frame, .. } => {
                to_client.push(frame); // a real host writes it to a socket
                runtime.handle_sent(now, conn, 1);
            }
            Output::Event { event, .. } => match event {
                Event::Authenticate { conn, .. } => runtime.admit(now, conn, "me@example.com")?,
                Event::Submitted { job, .. } => runtime.start(now, job, Vec::new())?,
                Event::Start { job } => {
                    runtime.emit(now, job, &Body::log("info", "greeting", None))?;
                    let hello = Json::from_string(r#""hello, world""#.to_owned()).expect("this is JSON");
                    runtime.finish(now, job, JobResult::Inline(&hello))?;
                }
                _ => {} // sessions that begin and end, jobs that end
            },
            Output::Store { .. } | Output::Reading { .. } | Output::Close { .. } => {}
        }
    }
    Ok(())
}

/// Plays the client's application: prints the job's events until it ends.
fn application(client: &mut Client, now: Time, to_runtime: &mut Vec<Bytes>) -> Option<Outcome> {
    while let Some(output) = client.poll_output() {
        match output {
            ClientOutput::Send(frame) => {
                to_runtime.push(frame);
                client.handle_sent(now, 1);
            }
            ClientOutput::Event(event) => {
                client.handle_taken(now, 1);
                match event {
                    ClientEvent::Job(event) => println!("{}: {}", event.kind.as_str(), event.body.as_str()),
                    ClientEvent::Terminal { outcome, .. } => return Some(*outcome),
                    _ => {}
                }
            }
            _ => {} // requests to connect, to close, or to resume reading
        }
    }
    None
}

fn main() -> Result<(), Box<dyn Error>> {
    let now = Time(1_779_000_000_000_000); // microseconds since 1970. Use a clock, and random seeds
    let mut runtime = Runtime::new(Config::default(), [7; 32], now);
    runtime.register(AgentSpec::new("greet"))?;
    let conn: ConnId = runtime.handle_open(now, Via::Memory);
    let mut client = Client::new(ClientConfig::new(Secret::new("secret")), [8; 32], now);
    client.handle_open(now);
    client.submit(now, &SubmitArgs { agent: "greet".into(), ..SubmitArgs::default() })?;
    let (mut to_runtime, mut to_client) = (Vec::new(), Vec::new());
    let outcome = loop {
        if let Some(outcome) = application(&mut client, now, &mut to_runtime) {
            break outcome;
        }
        to_runtime.drain(..).for_each(|frame| runtime.handle_frame(now, conn, &frame));
        host(&mut runtime, now, &mut to_client)?;
        assert!(!to_client.is_empty(), "both sides wait; a real loop would sleep until poll_timeout");
        to_client.drain(..).for_each(|frame| client.handle_frame(now, &frame));
    };
    assert!(matches!(&outcome.result, Product::Inline(result) if result.as_str() == r#""hello, world""#));
    Ok(())
}
