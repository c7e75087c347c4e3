//! Headers that carry a context.

use nuncio_core::caracal::{Baggage, BearerToken, Envelope, Hop};

/// The header fields of a request, one `name: value` in each line, are read. What was read is written as printable ASCII
/// and read back as the same.
pub fn caracal_headers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let envelope = Envelope::read(text.lines().filter_map(|line| line.split_once(": ")));
    if let Some(token) = &envelope.token {
        let header = token.to_authorization();
        assert_printable(header.expose());
        assert_eq!(BearerToken::from_authorization(header.expose()).as_ref(), Some(token));
        assert!(!format!("{envelope:?}").contains(token.expose()) || token.expose().len() < 16, "a token is printed");
    }
    written_and_read(&envelope.baggage);
}

/// The lines of a `baggage` header are read. What was read is written within 8192 bytes and read back as the same.
pub fn caracal_baggage(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let baggage = Baggage::read(text.lines());
    assert!(baggage.hop <= Hop::MAX);
    written_and_read(&baggage);
    assert_eq!(Hop::read(text), Hop::read(text.trim()));
}

fn written_and_read(baggage: &Baggage) {
    let header = baggage.to_header(Hop::MAX).expect("a hop that was read can be sent");
    assert_printable(header.expose());
    assert!(header.expose().len() <= 8_192);
    let again = Baggage::read([header.expose()]);
    assert_eq!(
        (&again.session, &again.edge, &again.parent_edge, again.hop),
        (&baggage.session, &baggage.edge, &baggage.parent_edge, baggage.hop)
    );
    assert!(baggage.to_header(Hop::ZERO).is_err() || baggage.hop == Hop::ZERO);
}

fn assert_printable(value: &str) {
    assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value:?}");
}
