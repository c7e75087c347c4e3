//! Lines of bytes as frames of a runtime, for a client with open requests.

use bytes::Bytes;
use nuncio_core::arcp::client::{HandleId, ListQuery, SubmitArgs, Subscribe};
use nuncio_core::arcp::{Client, ClientConfig, ClientOutput, Secret};
use nuncio_core::time::Time;

use super::ids::Ids;

/// The client does not panic, sends complete frames, and keeps its memory bounded.
///
/// An empty line cuts the connection. A line that begins with `!` is a command of the application or lets time pass.
/// The first byte selects small limits.
pub fn client_frames(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let mut now = Time(1_779_000_000_000_000);
    let mut config = ClientConfig::new(Secret::new("t"));
    if first & 1 != 0 {
        config.limits.handles = 4;
        config.limits.requests = 4;
        config.limits.events = 4;
        config.limits.held_events = 2;
        config.limits.held_bytes = 256;
        config.limits.send_window = 2;
        config.limits.bad_frames = 4;
        config.limits.chunk_bytes = 16;
        config.limits.result_bytes = 32;
    }
    let mut client = Client::new(config, [7; 32], now);
    let mut ids = Ids::default();
    client.handle_open(now);
    let mut handles: Vec<HandleId> = Vec::new();
    handles.extend(client.submit(now, &SubmitArgs { agent: "echo".into(), ..SubmitArgs::default() }));
    let _ = client.list(now, &ListQuery::default());
    handles.extend(client.subscribe(now, "job_01KRHD2GP0AW1PQQZEEHMZNQES", Subscribe::default()));
    for line in data.split(|byte| *byte == b'\n') {
        match line {
            [] => {
                client.handle_close(now);
                now = now.plus_secs(1);
                client.handle_open(now);
            }
            [b'!', what, ..] => command(&mut client, &mut now, *what, &mut handles),
            frame => client.handle_frame(now, &Bytes::from(ids.insert(frame))),
        }
        client.handle_timeout(now);
        let mut taken = 0;
        while let Some(output) = client.poll_output() {
            match output {
                ClientOutput::Send(frame) => {
                    assert!(frame.len() <= client.config().limits.frame_bytes);
                    ids.learn(&frame);
                    client.handle_sent(now, 1);
                }
                ClientOutput::Event(_) => taken += 1,
                ClientOutput::Connect { .. } | ClientOutput::CloseTransport { .. } | ClientOutput::Reading => {}
            }
        }
        client.handle_taken(now, taken);
    }
    assert!(client.bytes_held() < 64 << 20, "{} bytes are held", client.bytes_held());
}

fn command(client: &mut Client, now: &mut Time, what: u8, handles: &mut Vec<HandleId>) {
    let last = handles.last().copied();
    match (what, last) {
        (b'0'..=b'9', _) => *now = now.plus_millis(100 << (what - b'0')),
        (b'm', _) => *now = client.poll_timeout().map_or(*now, |(at, _)| at.max(*now)),
        (b's', _) if handles.len() < 64 => {
            handles.extend(client.submit(*now, &SubmitArgs { agent: "ver@1.0.0".into(), ..SubmitArgs::default() }));
        }
        (b'l', _) => {
            let _ = client.list(*now, &ListQuery::default());
        }
        (b'q', _) => {
            let _ = client.status(*now);
        }
        (b'c', Some(handle)) => {
            let _ = client.cancel(*now, handle, Some("enough"));
        }
        (b'u', Some(handle)) => {
            let _ = client.unsubscribe(*now, handle);
        }
        (b'r', Some(handle)) => {
            client.release(*now, handle);
            handles.pop();
        }
        (b'a', _) => {
            let _ = client.ack(*now, None);
        }
        (b'b', _) => client.close(*now, Some("done")),
        (b'f', _) => client.handle_connect_failed(*now),
        _ => {}
    }
}
