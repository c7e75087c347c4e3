//! A client and a runtime of this workspace: what one encodes, the other decodes to the same value.

use nuncio_core::arcp::client::SubmitArgs;
use nuncio_core::arcp::{
    AgentSpec, Body, Client, ClientConfig, ClientEvent, ClientOutput, Config, ConnId, Event, JobKey, JobResult, Json,
    Output, Runtime, Secret, Via,
};
use nuncio_core::time::Time;

const NOW: Time = Time(1_779_000_000_000_000);

/// Both ends of a connection, and the events of the client.
struct Wire {
    runtime: Runtime,
    client: Client,
    conn: ConnId,
    started: Option<JobKey>,
    seen: Vec<ClientEvent>,
}

impl Wire {
    fn settle(&mut self) {
        loop {
            let mut idle = true;
            while let Some(output) = self.client.poll_output() {
                idle = false;
                match output {
                    ClientOutput::Send(frame) => {
                        self.runtime.handle_frame(NOW, self.conn, &frame);
                        self.client.handle_sent(NOW, 1);
                    }
                    ClientOutput::Event(event) => {
                        self.seen.push(event);
                        self.client.handle_taken(NOW, 1);
                    }
                    ClientOutput::Connect { .. } | ClientOutput::CloseTransport { .. } | ClientOutput::Reading => {}
                }
            }
            while let Some(output) = self.runtime.poll_output() {
                idle = false;
                match output {
                    Output::Send { frame, .. } => {
                        self.client.handle_frame(NOW, &frame);
                        self.runtime.handle_sent(NOW, self.conn, 1);
                    }
                    Output::Event { event: Event::Authenticate { conn, .. }, .. } => {
                        self.runtime.admit(NOW, conn, "alice").expect("the connection is waiting for this answer");
                    }
                    Output::Event { event: Event::Submitted { job, .. }, .. } => {
                        self.runtime.start(NOW, job, Vec::new()).expect("the job is waiting for this answer");
                    }
                    Output::Event { event: Event::Start { job }, .. } => self.started = Some(job),
                    _ => {}
                }
            }
            if idle {
                return;
            }
        }
    }
}

/// The lines of the input are the idempotency key, the job's input, and then kinds and bodies of events; the last body
/// is also the result.
pub fn round_trip(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (key, input) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let json = |text: &str| serde_json::from_str::<Box<Json>>(text.trim()).ok();
    let input = json(input);
    let mut runtime = Runtime::new(Config::default(), [7; 32], NOW);
    runtime.register(AgentSpec::new("echo")).expect("a valid name");
    let mut client = Client::new(ClientConfig::new(Secret::new("t")), [8; 32], NOW);
    let conn = runtime.handle_open(NOW, Via::Memory);
    client.handle_open(NOW);
    let submit = SubmitArgs {
        agent: "echo".into(),
        input: input.as_deref(),
        idempotency_key: (!key.is_empty()).then(|| key.into()),
        ..SubmitArgs::default()
    };
    if client.submit(NOW, &submit).is_err() {
        return;
    }
    let mut wire = Wire { runtime, client, conn, started: None, seen: Vec::new() };
    wire.settle();
    let Some(job) = wire.started else { return };
    let received = wire.runtime.job(job).expect("a running job").input.map(|raw| raw.get().to_owned());
    // A null input is the same as none.
    let told = |text: Option<String>| text.filter(|text| text != "null").map(|text| one_line(&text));
    assert_eq!(told(received), told(input.map(|raw| raw.get().to_owned())));
    wire.seen.clear();

    let mut emitted = Vec::new();
    for line in lines.take(16) {
        let (kind, body) = line.split_once(' ').unwrap_or((line, "{}"));
        let Some(body) = json(body).and_then(|body| Body::raw(kind, &body).ok()) else { continue };
        if wire.runtime.emit(NOW, job, &body).is_ok() {
            emitted.push((body.kind().to_owned(), body.json().to_owned()));
        }
    }
    // An inline result after chunks ends the job with an error (§8.4).
    let streamed = emitted.iter().any(|(kind, _)| kind == "result_chunk");
    let result = emitted.last().map_or("null".to_owned(), |(_, body)| body.clone());
    let result = Json::from_string(result).expect("JSON");
    let finished = wire.runtime.finish(NOW, job, JobResult::Inline(&result)).is_ok();
    wire.settle();
    let mut read = Vec::new();
    let mut ended = false;
    for event in &wire.seen {
        match event {
            ClientEvent::Job(event) => read.push((event.kind.as_str().to_owned(), event.body.as_str().to_owned())),
            ClientEvent::Terminal { outcome, .. } => {
                ended = true;
                assert!(!finished || streamed || format!("{outcome:?}").contains("Success"), "{outcome:?}");
            }
            ClientEvent::Gap { .. } | ClientEvent::Lost(_) | ClientEvent::Closed(_) => panic!("{event:?}"),
            _ => {}
        }
    }
    assert!(ended, "the job has ended");
    // Chunks are assembled by the client, and the runtime adds events of its own.
    for (kind, body) in emitted.iter().filter(|(kind, _)| kind != "result_chunk") {
        assert!(read.iter().any(|(other, text)| kind == other && one_line(body) == one_line(text)), "{kind} {body}");
    }
}

/// Replaces line breaks between tokens by spaces, as the runtime does.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}
