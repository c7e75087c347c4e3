//! Timestamps: every RFC 3339 text is read (core/docs/arcp.md §5), and one form is written.

use nuncio_core::time::Time;

#[test]
fn any_offset_and_precision_is_read() {
    let at = Time(1_778_700_600_123_456);
    for text in [
        "2026-05-13T19:30:00.123456Z",
        "2026-05-13t19:30:00.123456z",
        "2026-05-13T19:30:00.123456+00:00",
        "2026-05-13T21:30:00.123456+02:00",
        "2026-05-13T10:00:00.123456789-09:30",
    ] {
        assert_eq!(Time::parse_rfc3339(text), Some(at), "{text}");
    }
    assert_eq!(at.to_rfc3339(), "2026-05-13T19:30:00.123Z");
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "2026-05-13",
        "2026-05-13T19:30:00",
        "2026-05-13 19:30:00Z",
        "2026-05-13T19:30Z",
        "2026-05-13T19-02",
        "2026-05-13T19:30:00+02",
        "2026-05-13T19:30:00+0200",
        "2026-05-13T19:30:00Z[Europe/Berlin]",
        "20260513T193000Z",
        "2026-02-30T19:30:00Z",
        "2026-05-13T24:00:00Z",
        "1969-12-31T23:59:59Z",
    ] {
        assert_eq!(Time::parse_rfc3339(text), None, "{text}");
    }
}

#[test]
fn every_time_that_is_read_can_be_written() {
    let last = Time::parse_rfc3339("9999-12-31T23:59:59.999Z").expect("the last millisecond that can be written");
    assert_eq!(last.to_rfc3339(), "9999-12-31T23:59:59.999Z");
    assert_eq!(Time::parse_rfc3339("9999-12-31T23:59:59.999-00:01"), None, "in UTC it is in the year 10000");
    assert_eq!(Time::MAX.to_rfc3339(), "9999-12-31T23:59:59.999Z", "the time after every deadline has a text as well");
}
