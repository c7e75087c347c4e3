//! Lines of bytes as the frames of a runtime; the client has submitted, subscribed and listed.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use nuncio_core::arcp::client::{ListQuery, Submit, Subscribe};
use nuncio_core::arcp::{Client, ClientConfig, ClientOutput, Secret};
use nuncio_core::time::Time;

fuzz_target!(|data: &[u8]| {
    let mut now = Time(1_779_000_000_000_000);
    let mut client = Client::new(ClientConfig { token: Secret::new("t"), ..ClientConfig::default() }, [7; 32], now);
    client.handle_open(now);
    let _ = client.submit(now, &Submit { agent: "echo".into(), ..Submit::default() });
    let _ = client.list(now, &ListQuery::default());
    let _ = client.subscribe(now, "job_01KRHD2GP0AW1PQQZEEHMZNQES", Subscribe::default());
    for line in data.split(|byte| *byte == b'\n') {
        if line.is_empty() {
            client.handle_close(now);
            now = now.plus_secs(1);
            client.handle_open(now);
        } else {
            client.handle_frame(now, &Bytes::copy_from_slice(line));
        }
        client.handle_timeout(now);
        let mut taken = 0;
        while let Some(output) = client.poll_output() {
            match output {
                ClientOutput::Send(_) => client.handle_sent(now, 1),
                ClientOutput::Event(_) => taken += 1,
                _ => {}
            }
        }
        client.handle_taken(now, taken);
    }
    assert!(client.bytes_held() < 64 << 20, "{} bytes are held", client.bytes_held());
});
