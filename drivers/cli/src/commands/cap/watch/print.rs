//! A packet as a line: for people, or JSON.

use serde_json::{Map, Value};

use super::packet::{Packet, Signature};
use crate::text::{json_for_stdout, sanitize};

/// A line for people. Text from outside is quoted where it is not plain.
pub(super) fn line(packet: &Packet) -> String {
    let mut words = vec![
        packet.created_at.clone().unwrap_or_else(|| "-".to_owned()),
        plain(&packet.subject),
        packet.kind.unwrap_or("?").to_owned(),
    ];
    if !packet.job_id.is_empty() {
        words.push(plain(&packet.job_id));
    }
    if !packet.sender_id.is_empty() {
        words.push(format!("from {}", plain(&packet.sender_id)));
    }
    words.extend(packet.details.iter().map(|(name, value)| format!("{name}={}", plain(value))));
    words.push(format!("[{}]", packet.signature.text()));
    if let Some(fault) = &packet.fault {
        words.push(format!("FAULT: {fault}"));
    }
    sanitize(&words.join("  ")).into_owned()
}

/// Quotes a text that has other characters than visible ASCII.
fn plain(text: &str) -> String {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if is_plain { text.to_owned() } else { format!("{text:?}") }
}

/// A JSON object on one line.
pub(super) fn json(packet: &Packet) -> String {
    let mut object = Map::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            object.insert(name.to_owned(), Value::from(value));
        }
    };
    add("subject", &packet.subject);
    add("kind", packet.kind.unwrap_or_default());
    add("created_at", packet.created_at.as_deref().unwrap_or_default());
    add("sender_id", &packet.sender_id);
    add("trace_id", &packet.trace_id);
    add("job_id", &packet.job_id);
    for (name, value) in &packet.details {
        add(name, value);
    }
    let signature = if packet.signature == Signature::Wrong { "wrong" } else { packet.signature.text() };
    add("signature", signature);
    add("fault", packet.fault.as_deref().unwrap_or_default());
    object.insert("bytes".to_owned(), Value::from(packet.bytes));
    json_for_stdout(Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_core::cap::{
        BusPacket, DecodeLimits, IdentityBinding, JobRequest, Keyring, MapOrder, PROFILE_ALGORITHM, PROFILE_VERSION,
        Payload, SignatureMetadata, Timestamp, seal, seal_production,
    };
    use nuncio_core::time::Time;
    use nuncio_tokio::cap::{Message, RingSigner};

    use super::*;

    fn now() -> Time {
        Time(1_779_000_000_000_000)
    }

    fn message(signer: Option<&RingSigner>) -> Message {
        let request =
            JobRequest { job_id: "job-1\u{1b}[2J".to_owned(), topic: "job.echo".to_owned(), ..JobRequest::default() };
        let packet = BusPacket {
            trace_id: "trace-1".to_owned(),
            sender_id: "client-1".to_owned(),
            created_at: Some(Timestamp::from_time(Time(1_779_000_000_000_000))),
            protocol_version: 1,
            payload: Some(Payload::from(request)),
            ..BusPacket::default()
        };
        let signer = signer.map(|signer| signer as &dyn nuncio_core::cap::Signer);
        let sealed = seal(packet, MapOrder::Lexicographic, signer).expect("the packet is valid");
        Message { subject: "sys.job.submit".to_owned(), payload: sealed.bytes.into(), ..Message::default() }
    }

    fn signature(message: &Message, keys: Option<&Keyring>) -> Signature {
        Packet::read(message, keys, now()).signature
    }

    #[test]
    fn a_signature_is_shown_as_what_is_known_of_it() {
        let (signer, _) = RingSigner::generate().expect("there is randomness");
        let (other, _) = RingSigner::generate().expect("there is randomness");
        let keys = |key: &RingSigner, name: &str| {
            let mut keys = Keyring::default();
            keys.add(name, key.public_key()).expect("there is room");
            keys
        };
        let (with, without) = (message(Some(&signer)), message(None));
        assert_eq!(signature(&with, None), Signature::Unverified);
        assert_eq!(signature(&with, Some(&keys(&signer, "client-1"))), Signature::Verified);
        assert_eq!(signature(&with, Some(&keys(&other, "client-1"))), Signature::Wrong);
        assert_eq!(signature(&with, Some(&keys(&signer, "client-2"))), Signature::UnknownKey);
        assert_eq!(signature(&without, None), Signature::Unsigned);
        assert_eq!(signature(&without, Some(&keys(&signer, "client-1"))), Signature::Unsigned);
    }

    #[test]
    fn a_sealed_packet_is_verified_for_its_subject_until_it_expires() {
        let (signer, _) = RingSigner::generate().expect("there is randomness");
        let mut keys = Keyring::default();
        keys.add("client-1", signer.public_key()).expect("there is room");
        let mut packet = BusPacket::decode(&message(None).payload, &DecodeLimits::default()).expect("a packet");
        packet.identity = Some(IdentityBinding { tenant_id: "tenant-1".to_owned(), ..IdentityBinding::default() });
        packet.signature_metadata = Some(SignatureMetadata {
            profile_version: PROFILE_VERSION.to_owned(),
            algorithm: PROFILE_ALGORITHM.to_owned(),
            message_id: vec![7; 16],
            audience: "sys.job.submit".to_owned(),
            expires_at: Some(Timestamp::from_time(now().plus(Duration::from_mins(1)))),
            key_id: "key-1".to_owned(),
            ..SignatureMetadata::default()
        });
        let sealed = seal_production(packet, MapOrder::Lexicographic, &signer).expect("the packet is valid");
        let on = |subject: &str| Message {
            subject: subject.to_owned(),
            payload: sealed.clone().into(),
            ..Message::default()
        };
        let (right, wrong) = (on("sys.job.submit"), on("job.echo"));
        assert_eq!(signature(&right, Some(&keys)), Signature::Verified);
        assert_eq!(signature(&right, Some(&Keyring::default())), Signature::UnknownKey);
        assert_eq!(signature(&right, None), Signature::Unverified);
        let fault = |message, now| Packet::read(message, Some(&keys), now).fault.expect("a fault");
        assert!(fault(&wrong, now()).contains("another audience"), "{}", fault(&wrong, now()));
        let later = now().plus(Duration::from_mins(1));
        assert!(fault(&right, later).contains("expired"), "{}", fault(&right, later));
    }

    #[test]
    fn text_from_outside_cannot_move_the_cursor() {
        let packet = Packet::read(&message(None), None, now());
        let text = line(&packet);
        assert_eq!(
            text,
            r#"2026-05-17T06:40:00.000Z  sys.job.submit  JobRequest  "job-1\u{1b}[2J"  from client-1  topic=job.echo  [unsigned]"#
        );
        let object: Value = serde_json::from_str(&json(&packet)).expect("it is JSON");
        assert_eq!(object["job_id"], "job-1\u{1b}[2J");
    }

    #[test]
    fn what_is_not_a_packet_is_shown_with_its_fault() {
        let message = Message { subject: "sys.alert".to_owned(), payload: vec![0xff; 3].into(), ..Message::default() };
        let text = line(&Packet::read(&message, None, now()));
        assert!(text.starts_with("-  sys.alert  ?  [unverified]  FAULT: not a packet: "), "{text}");
    }
}
