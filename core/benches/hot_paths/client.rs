//! The client alone: frames come in as text, and events go out.

use bytes::Bytes;
use nuncio_core::arcp::client::{Client, ClientConfig, ClientEvent, ClientOutput, SubmitArgs};
use nuncio_core::time::Time;

const START: Time = Time(1_795_219_200_000_000);

/// A client in a session.
struct Peer {
    client: Client,
    now: Time,
    /// The id of the last frame that the client has sent.
    last: String,
    /// The terminals that it has returned.
    ended: usize,
    /// The events that it has returned.
    events: usize,
}

const WELCOME: &str = r#"{"arcp":"1.1","id":"w","type":"session.welcome","session_id":"sess_1","payload":{"runtime":{"name":"r","version":"1"},"resume_token":"rt_1","resume_window_sec":600,"capabilities":{"encodings":["json"],"features":["ack","heartbeat","list_jobs","subscribe"],"agents":["echo"]}}}"#;

impl Peer {
    fn new() -> Peer {
        let mut client = Client::new(ClientConfig::default(), [7; 32], START);
        client.handle_open(START);
        let mut peer = Peer { client, now: START, last: String::new(), ended: 0, events: 0 };
        peer.drain();
        peer.frame(WELCOME.to_owned());
        peer
    }

    fn frame(&mut self, text: String) {
        self.now = self.now.plus_micros(10);
        self.client.handle_frame(self.now, &Bytes::from(text));
        self.drain();
    }

    fn submit(&mut self) {
        let submit = SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() };
        self.client.submit(self.now, &submit).expect("the session is open");
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Send(frame) => {
                    let text = std::str::from_utf8(&frame).expect("a frame is text");
                    let id = text.split_once(r#""id":""#).and_then(|(_, rest)| rest.split_once('"'));
                    id.expect("a frame has an id").0.clone_into(&mut self.last);
                    self.client.handle_sent(self.now, 1);
                }
                ClientOutput::Event(event) => {
                    self.ended += usize::from(matches!(event, ClientEvent::Terminal { .. }));
                    self.events += usize::from(matches!(event, ClientEvent::Job(_)));
                    self.client.handle_taken(self.now, 1);
                }
                ClientOutput::CloseTransport { .. } => panic!("the client closes the connection"),
                _ => {}
            }
        }
    }

    fn accepted(&mut self, job: usize) {
        let request = std::mem::take(&mut self.last);
        self.frame(format!(
            r#"{{"arcp":"1.1","id":"a{job}","type":"job.accepted","session_id":"sess_1","job_id":"job_{job}","payload":{{"job_id":"job_{job}","agent":"echo","lease":{{}},"accepted_at":"2026-11-21T00:00:00.000Z","request_id":"{request}"}}}}"#
        ));
    }

    fn event(&mut self, job: usize, seq: usize, filler: &str) {
        self.frame(format!(
            r#"{{"arcp":"1.1","id":"e{seq}","type":"job.event","session_id":"sess_1","job_id":"job_{job}","event_seq":{seq},"payload":{{"kind":"log","ts":"2026-11-21T00:00:00.000Z","body":{{"level":"info","message":"{filler}"}}}}}}"#
        ));
    }

    fn result(&mut self, job: usize, seq: usize) {
        self.frame(format!(
            r#"{{"arcp":"1.1","id":"r{seq}","type":"job.result","session_id":"sess_1","job_id":"job_{job}","event_seq":{seq},"payload":{{"final_status":"success","result":{{"echoed":{{"n":1}}}}}}}}"#
        ));
    }
}

pub(crate) fn decodes(times: usize) {
    let mut peer = Peer::new();
    peer.submit();
    peer.accepted(1);
    let filler = "x".repeat(300);
    for seq in 1..=times {
        peer.event(1, seq, &filler);
    }
    assert_eq!(peer.events, times, "each event is returned");
}

pub(crate) fn submits(times: usize) {
    let mut peer = Peer::new();
    for job in 1..=times {
        peer.submit();
        peer.accepted(job);
        peer.event(job, 2 * job - 1, "echo started");
        peer.result(job, 2 * job);
    }
    assert_eq!(peer.ended, times, "each job has ended");
}
