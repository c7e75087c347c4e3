//! Comparison with `watermelon-proto`, another implementation. It is given what well-behaved peers send only, because it
//! refuses some of what real servers send: the members `host` and `connect_urls` of INFO with names, and subjects and
//! headers that are malformed.

use bytes::{Buf as _, BufMut as _, Bytes};
use nuncio_link::nats::{NatsConfig, NatsEvent, NatsMessage};
use proptest::prelude::*;
use watermelon_proto::headers::HeaderMap;
use watermelon_proto::proto::{ClientOp, ServerOp, StreamDecoder, StreamEncoder};
use watermelon_proto::{MessageBase, Subject};

use crate::support::{NOW, drain, ready};

fn subject() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_$-]{1,6}(\\.[a-zA-Z0-9_$-]{1,6}){0,3}"
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..60)
}

/// What a client does.
#[derive(Clone, Debug)]
enum Command {
    Publish(String, Option<String>, Vec<u8>),
    Subscribe(u64, String, Option<String>),
    Unsubscribe(u64),
    Flush,
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (subject(), prop::option::of(subject()), payload())
            .prop_map(|(subject, reply, payload)| Command::Publish(subject, reply, payload)),
        (any::<u64>(), subject(), prop::option::of("[a-z.]{1,8}"))
            .prop_map(|(sid, subject, group)| Command::Subscribe(sid, subject, group)),
        any::<u64>().prop_map(Command::Unsubscribe),
        Just(Command::Flush),
    ]
}

/// A message from a server, with headers that have a status or nothing but their version.
fn message() -> impl Strategy<Value = (NatsMessage, bool)> {
    let status = prop::option::of(100_u16..1000);
    (any::<u64>(), subject(), prop::option::of(subject()), status, any::<bool>(), payload()).prop_map(
        |(sid, subject, reply, status, headers, payload)| {
            let headers = headers || status.is_some();
            (NatsMessage { sid, subject, reply, status, payload: payload.into() }, headers)
        },
    )
}

fn written((message, headers): &(NatsMessage, bool)) -> Vec<u8> {
    let NatsMessage { sid, subject, reply, status, payload } = message;
    let reply = reply.as_ref().map(|reply| format!(" {reply}")).unwrap_or_default();
    let status = status.map(|status| format!(" {status} Text")).unwrap_or_default();
    let block = if *headers { format!("NATS/1.0{status}\r\nA: b\r\n\r\n") } else { String::new() };
    let total = block.len() + payload.len();
    let head = match headers {
        true => format!("HMSG {subject} {sid}{reply} {} {total}\r\n", block.len()),
        false => format!("MSG {subject} {sid}{reply} {total}\r\n"),
    };
    [head.as_bytes(), block.as_bytes(), payload, b"\r\n"].concat()
}

fn theirs(text: &str) -> Subject {
    text.parse().expect("a generated subject is valid")
}

proptest! {
    #[test]
    fn commands_are_written_as_the_other_implementation_writes_them(
        commands in prop::collection::vec(command(), 0..20),
    ) {
        let (mut ours, mut other) = (ready(NatsConfig::default()), StreamEncoder::new());
        for command in commands {
            let op = match command {
                Command::Publish(subject, reply, payload) => {
                    ours.publish(&subject, reply.as_deref(), &payload).expect("it is valid");
                    let reply_subject = reply.as_deref().map(theirs);
                    let (headers, payload) = (HeaderMap::new(), Bytes::from(payload));
                    let message = MessageBase { subject: theirs(&subject), reply_subject, headers, payload };
                    ClientOp::Publish { message }
                }
                Command::Subscribe(sid, subject, group) => {
                    ours.subscribe(sid, &subject, group.as_deref()).expect("it is valid");
                    let queue_group = group.map(|group| group.parse().expect("a generated group is valid"));
                    ClientOp::Subscribe { id: sid.into(), subject: theirs(&subject), queue_group }
                }
                Command::Unsubscribe(sid) => {
                    ours.unsubscribe(sid).expect("it is valid");
                    ClientOp::Unsubscribe { id: sid.into(), max_messages: None }
                }
                Command::Flush => {
                    ours.flush().expect("few are open");
                    ClientOp::Ping
                }
            };
            other.enqueue_write_op(&op);
        }
        let mut bytes = Vec::new();
        ours.take_output(&mut bytes);
        prop_assert_eq!(Bytes::from(bytes), other.copy_to_bytes(other.remaining()));
    }

    #[test]
    fn messages_are_read_as_the_other_implementation_reads_them(
        messages in prop::collection::vec(message(), 0..20),
        size in 1_usize..100,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(written).collect();
        let (mut ours, mut other) = (ready(NatsConfig::default()), StreamDecoder::new());
        let (mut read, mut expected) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            ours.receive(NOW, piece);
            read.extend(drain(&mut ours));
            other.read_buf().put_slice(piece);
            while let Some(op) = other.decode().expect("well-formed messages are read") {
                let ServerOp::Message { message } = op else { panic!("{op:?}") };
                expected.push(NatsEvent::Message(NatsMessage {
                    sid: message.subscription_id.into(),
                    subject: message.base.subject.to_string(),
                    reply: message.base.reply_subject.map(|reply| reply.to_string()),
                    status: message.status_code.map(u16::from),
                    payload: message.base.payload,
                }));
            }
        }
        prop_assert_eq!(&read, &expected);
        let sent: Vec<NatsEvent> = messages.into_iter().map(|(message, _)| NatsEvent::Message(message)).collect();
        prop_assert_eq!(read, sent);
    }
}
