//! Timestamps against calendar arithmetic, and trace contexts against their own texts.

use nuncio_core::time::Time;
use nuncio_core::trace::{SpanId, TraceContext, TraceId, TraceParent, TraceState};

/// A parsed text is formatted so that it is parsed to the same value, and a timestamp has the value that the calendar
/// gives it.
pub fn texts(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(time) = Time::parse_rfc3339(text) {
        let shown = time.to_rfc3339();
        assert_eq!(shown.len(), 24, "{shown:?}");
        assert_eq!(Time::parse_rfc3339(&shown), Some(Time(time.millis() * 1_000)), "{text:?} -> {shown:?}");
    }
    if let Some(micros) = calendar(text) {
        let time = u64::try_from(micros).ok().map(Time).filter(|time| *time <= LAST);
        assert_eq!(Time::parse_rfc3339(text), time, "{text:?}");
    }
    let number = Time(data.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    assert!(number.to_rfc3339().ends_with('Z'));

    if let Some(parent) = TraceParent::parse(text) {
        assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
        assert_eq!(TraceId::parse_lenient(text), Some(parent.trace_id));
    }
    if let Some(id) = TraceId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    if let Some(id) = SpanId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    if let Some(state) = TraceState::parse(text) {
        assert_eq!(state.as_str(), text);
    }
    if let Some(context) = TraceContext::from_json(text) {
        assert_eq!(TraceContext::from_json(&context.to_json()).as_ref(), Some(&context));
    }
}

/// 9999-12-31T23:59:59.999999Z
const LAST: Time = Time(253_402_300_799_999_999);

/// Returns the microseconds since 1970 of `YYYY-MM-DDTHH:MM:SS[.digits](Z|+HH:MM|-HH:MM)`, counted day by day from the
/// year 0.
fn calendar(text: &str) -> Option<i64> {
    let digits = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let at = |index: usize, expected: u8| (text.as_bytes().get(index) == Some(&expected)).then_some(());
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    for (index, expected) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        at(index, expected)?;
    }
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    if !(1..=*months.get(month)?).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=9).contains(&length) {
            return None;
        }
        micros = format!("{:0<6.6}", &fraction[..length]).parse().ok()?;
        rest = &fraction[length..];
    }
    let offset = match rest.as_bytes() {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let [h1, h2, m1, m2] = [h1, h2, m1, m2].map(|digit| i64::from(*digit) - i64::from(b'0'));
            if [h1, h2, m1, m2].iter().any(|digit| !(0..10).contains(digit)) {
                return None;
            }
            let (hours, minutes) = (h1 * 10 + h2, m1 * 10 + m2);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 }
        }
        _ => return None,
    };
    let years: i64 = (0..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let days = years - 719_528 + months.iter().take(month).sum::<i64>() + day - 1;
    Some((days * 86_400 + hour * 3_600 + minute * 60 + second - offset) * 1_000_000 + micros)
}
