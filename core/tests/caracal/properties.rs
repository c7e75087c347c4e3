//! Properties of the codecs over any input.

use nuncio_core::caracal::{Baggage, Call, EdgeId, Envelope, Hop, InboundTrace, IssuedToken, SessionId};
use nuncio_core::time::Time;
use proptest::prelude::*;

/// Text that is often nearly baggage.
fn nearly_baggage() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("caracal.agent_session=".to_owned()),
        Just("caracal.delegation_edge=".to_owned()),
        Just("caracal.hop=".to_owned()),
        "[,;= %\t]",
        "[a-z0-9]{0,4}",
        "%[0-9a-fA-F]{2}",
        "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(session in "\\PC{1,40}", edge in "\\PC{1,40}", hop in 0_u8..=32, other in nearly_baggage()) {
        let mut baggage = Baggage::read([other.as_str()]);
        baggage.session = SessionId::new(&session).ok();
        baggage.edge = EdgeId::new(&edge).ok();
        baggage.hop = Hop::new(hop);
        let header = baggage.to_header(Hop::MAX).unwrap();
        prop_assert!(header.expose().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(Baggage::read([header.expose()]), baggage);
    }

    #[test]
    fn any_header_is_read_without_a_panic(lines in prop::collection::vec(nearly_baggage(), 0..4), other in "\\PC{0,80}") {
        let fields = lines.iter().map(|line| ("baggage", line.as_str()));
        let envelope = Envelope::read(fields.chain([("authorization", &*other), ("traceparent", &*other)]));
        let header = envelope.baggage.to_header(Hop::MAX).unwrap();
        prop_assert!(header.expose().len() <= 8_192);
        let _ = InboundTrace::parse(&other);
    }

    #[test]
    fn any_answer_is_read_without_a_panic(status in 0_u16..=999, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let session = SessionId::new("s").unwrap();
        for call in [Call::Terminate { session: session.clone(), lease: None }, Call::Inbound { session: session.clone() }] {
            let answer = call.read(status, &body);
            prop_assert!(answer.is_err() || (200..300).contains(&status) || status == 404 || status == 409);
        }
        prop_assert!(IssuedToken::read(status, &body, Time(0)).is_err());
    }
}
