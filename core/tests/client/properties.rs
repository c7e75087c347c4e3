//! Properties of the client for any sequence of inputs: no panic, bounded memory, ordered events, determinism.

use bytes::Bytes;
use nuncio_core::arcp::client::{
    Client, ClientConfig, ClientEvent, ClientOutput, HandleId, ListQuery, SubmitArgs, Subscribe,
};
use nuncio_core::time::Time;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{START, accepted, error, event, job_error, kind, plain, result, success, welcome};

#[derive(Clone, Debug)]
enum Input {
    Open,
    Close,
    ConnectFailed,
    Timeout,
    Wait(u64),
    Frame(Vec<u8>),
    Known(u8, u8, u8),
    Sent(usize),
    Taken(usize),
    Poll(u8),
    Submit,
    Cancel(u8),
    Subscribe(u8),
    Unsubscribe(u8),
    Release(u8),
    List,
    Ack(Option<u64>),
    End,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        3 => Just(Input::Open),
        1 => Just(Input::Close),
        1 => Just(Input::ConnectFailed),
        2 => Just(Input::Timeout),
        2 => (0..40_000_000_u64).prop_map(Input::Wait),
        4 => vec(any::<u8>(), 0..200).prop_map(Input::Frame),
        40 => (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(a, b, c)| Input::Known(a, b, c)),
        4 => (0..100_usize).prop_map(Input::Sent),
        8 => (0..50_usize).prop_map(Input::Taken),
        8 => any::<u8>().prop_map(Input::Poll),
        6 => Just(Input::Submit),
        3 => any::<u8>().prop_map(Input::Cancel),
        3 => any::<u8>().prop_map(Input::Subscribe),
        2 => any::<u8>().prop_map(Input::Unsubscribe),
        2 => any::<u8>().prop_map(Input::Release),
        2 => Just(Input::List),
        1 => proptest::option::of(any::<u64>()).prop_map(Input::Ack),
        1 => Just(Input::End),
    ]
}

/// Returns a frame of the protocol. Its numbers are small, so that different frames name the same jobs and sequences.
fn known(which: u8, job: u8, number: u8) -> String {
    let (job, seq) = (format!("job{}", job % 5), u64::from(number % 24));
    match which % 18 {
        0 | 1 => welcome("sess_1", "t"),
        2 => welcome(&format!("sess_{}", number % 3), "t"),
        3 => accepted(&job, None),
        4 => plain("job.accepted", &format!(r#""job_id":"{job}","parent_job_id":"job0","delegate_id":"d{seq}""#)),
        5..=9 => event(&job, seq),
        10 => success(&job, seq),
        11 => job_error(&job, seq, r#""final_status":"cancelled","code":"CANCELLED","message":"m""#),
        12 => result(&job, seq, r#""final_status":"success","result_id":"r""#),
        13 => kind(
            &job,
            seq,
            "result_chunk",
            &format!(r#"{{"result_id":"r","chunk_seq":{},"data":"YQ==","encoding":"base64","more":true}}"#, seq % 4),
        ),
        14 => plain("job.subscribed", &format!(r#""job_id":"{job}","current_status":"success""#)),
        15 => plain("job.cancelled", &format!(r#""job_id":"{job}""#)),
        16 => plain("session.ping", &format!(r#""nonce":"{seq}""#)),
        _ => error(
            [
                r#""code":"INVALID_REQUEST""#,
                r#""code":"HEARTBEAT_LOST""#,
                r#""code":"INTERNAL_ERROR","retryable":true"#,
            ][usize::from(number % 3)],
        ),
    }
}

fn small() -> ClientConfig {
    ClientConfig::default().with(|config| {
        config.limits.events = 16;
        config.limits.event_bytes = 8 << 10;
        config.limits.held_events = 8;
        config.limits.held_bytes = 4 << 10;
        config.limits.handles = 8;
        config.limits.requests = 8;
        config.limits.request_bytes = 4 << 10;
        config.limits.send_window = 4;
        config.limits.frame_bytes = 4 << 10;
    })
}

/// Runs the inputs, checks the invariants, and returns every output.
///
/// With `pauses`, no frame comes in while the client does not want to read.
fn run(inputs: &[Input], pauses: bool) -> Vec<String> {
    let mut client = Client::new(small(), [3; 32], START);
    let (mut now, mut out, mut handles): (Time, Vec<String>, Vec<HandleId>) = (START, Vec::new(), Vec::new());
    let mut order = std::collections::BTreeMap::<HandleId, u64>::new();
    let mut ended = std::collections::BTreeSet::<HandleId>::new();
    let pick = |handles: &[HandleId], index: &u8| handles.get(usize::from(*index) % handles.len().max(1)).copied();
    for input in inputs {
        match input {
            Input::Open => client.handle_open(now),
            Input::Close => client.handle_close(now),
            Input::ConnectFailed => client.handle_connect_failed(now),
            Input::Timeout => client.handle_timeout(now),
            Input::Wait(micros) => {
                now = now.plus_micros(*micros);
                client.handle_timeout(now);
                let due = client.poll_timeout();
                assert!(due.is_none_or(|(due, _)| due > now), "{due:?} is still due at {now:?}");
            }
            Input::Frame(bytes) if client.reading() || !pauses => {
                client.handle_frame(now, &Bytes::copy_from_slice(bytes));
            }
            Input::Known(which, job, number) if client.reading() || !pauses => {
                client.handle_frame(now, &Bytes::from(known(*which, *job, *number)));
            }
            Input::Frame(_) | Input::Known(..) => {}
            Input::Sent(frames) => client.handle_sent(now, *frames),
            Input::Taken(events) => client.handle_taken(now, *events),
            Input::Poll(count) => {
                for _ in 0..*count {
                    let Some(output) = client.poll_output() else { break };
                    check_order(&output, &mut order, &mut ended, &mut handles);
                    out.push(match &output {
                        ClientOutput::Send(frame) => {
                            serde_json::from_slice::<serde_json::Value>(frame).unwrap();
                            String::from_utf8(frame.to_vec()).unwrap()
                        }
                        other => format!("{other:?}"),
                    });
                }
            }
            Input::Submit => {
                let submitted = client.submit(now, &SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() });
                handles.extend(submitted);
            }
            Input::Cancel(index) => {
                if let Some(handle) = pick(&handles, index) {
                    let _ = client.cancel(now, handle, None);
                }
            }
            Input::Subscribe(job) => {
                let subscribe = Subscribe { history: true, from_event_seq: None };
                handles.extend(client.subscribe(now, &format!("job{}", job % 5), subscribe));
            }
            Input::Unsubscribe(index) => {
                if let Some(handle) = pick(&handles, index) {
                    let _ = client.unsubscribe(now, handle);
                }
            }
            Input::Release(index) => {
                if let Some(handle) = pick(&handles, index) {
                    client.release(now, handle);
                }
            }
            Input::List => {
                let _ = client.list(now, &ListQuery::default());
            }
            Input::Ack(seq) => {
                let _ = client.ack(now, *seq);
            }
            Input::End => client.close(now, None),
        }
        assert!(client.bytes_held() < 512 << 10, "{} bytes are held", client.bytes_held());
    }
    out
}

/// Checks that the sequence numbers of a handle increase and that nothing follows its terminal.
fn check_order(
    output: &ClientOutput,
    order: &mut std::collections::BTreeMap<HandleId, u64>,
    ended: &mut std::collections::BTreeSet<HandleId>,
    handles: &mut Vec<HandleId>,
) {
    let ClientOutput::Event(event) = output else { return };
    let (handle, seq) = match event {
        ClientEvent::Job(event) => (event.handle, event.seq),
        ClientEvent::Chunk(chunk) => (chunk.handle, chunk.seq),
        ClientEvent::Terminal { handle, outcome } => (*handle, outcome.seq),
        ClientEvent::Child { handle, .. } => {
            handles.push(*handle);
            return;
        }
        _ => return,
    };
    assert!(!ended.contains(&handle), "{event:?} follows the terminal");
    let last = order.insert(handle, seq).unwrap_or_default();
    assert!(seq == 0 || seq > last, "{event:?} after #{last}");
    if matches!(event, ClientEvent::Terminal { .. }) {
        ended.insert(handle);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_input_is_handled_within_bounds_and_in_order(inputs in vec(input(), 0..400)) {
        run(&inputs, true);
    }

    #[test]
    fn a_driver_that_does_not_pause_reading_does_no_harm(inputs in vec(input(), 0..400)) {
        run(&inputs, false);
    }

    #[test]
    fn equal_inputs_give_equal_outputs(inputs in vec(input(), 0..200)) {
        assert_eq!(run(&inputs, true), run(&inputs, true));
    }

    #[test]
    fn arbitrary_text_never_panics(frames in vec("\\PC{0,80}", 0..50)) {
        let mut client = Client::new(ClientConfig::default(), [0; 32], START);
        client.handle_open(START);
        client.handle_frame(START, &Bytes::from(welcome("sess_1", "t")));
        for frame in frames {
            client.handle_frame(START, &Bytes::from(frame.into_bytes()));
        }
    }

    #[test]
    fn a_mutated_frame_never_panics(which in any::<(u8, u8, u8)>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut client = Client::new(ClientConfig::default(), [0; 32], START);
        client.handle_open(START);
        client.handle_frame(START, &Bytes::from(welcome("sess_1", "t")));
        client.submit(START, &SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() }).unwrap();
        let mut frame = known(which.0, which.1, which.2).into_bytes();
        let at = at.index(frame.len());
        frame[at] = byte;
        client.handle_frame(START, &Bytes::from(frame));
        while client.poll_output().is_some() {}
    }
}
