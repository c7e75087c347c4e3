use nuncio_core::time::Time;
use nuncio_link::nats::{NatsConfig, NatsEvent, NatsLink};

pub(crate) const NOW: Time = Time(1_000_000);
pub(crate) const INFO: &[u8] =
    b"INFO {\"server_id\":\"S\",\"version\":\"2.10.26\",\"headers\":true,\"max_payload\":1000}\r\n";

pub(crate) fn drain(link: &mut NatsLink) -> Vec<NatsEvent> {
    std::iter::from_fn(|| link.poll_event()).collect()
}

pub(crate) fn output(link: &mut NatsLink) -> String {
    let mut bytes = Vec::new();
    link.take_output(&mut bytes);
    String::from_utf8(bytes).expect("the commands of these tests are text")
}

/// Returns a link that has logged in, and whose output is empty.
pub(crate) fn ready(config: NatsConfig) -> NatsLink {
    let mut link = NatsLink::new(config, NOW);
    link.receive(NOW, INFO);
    assert!(matches!(drain(&mut link)[..], [NatsEvent::Info(_)]));
    link.login(NOW).expect("INFO has come");
    link.receive(NOW, b"PONG\r\n");
    assert_eq!(drain(&mut link), [NatsEvent::Ready]);
    output(&mut link);
    link
}

/// Returns the events of a conversation that comes in these pieces. The link logs in when it has seen INFO.
pub(crate) fn play<'a>(config: NatsConfig, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<NatsEvent> {
    let mut link = NatsLink::new(config, NOW);
    let mut events = Vec::new();
    let mut bytes = Vec::new();
    for piece in pieces {
        link.receive(NOW, piece);
        while let Some(event) = link.poll_event() {
            if matches!(event, NatsEvent::Info(_)) && events.is_empty() {
                link.login(NOW).expect("INFO has come");
            }
            events.push(event);
        }
        link.take_output(&mut bytes);
    }
    link.receive_end();
    events.extend(drain(&mut link));
    events
}
