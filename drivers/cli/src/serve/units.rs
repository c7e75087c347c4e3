//! Durations and sizes as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};

/// A time span: `90s`, `10m`, `1h 30m`, `250ms`; a bare number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Span, &'static str> {
        const HOW: &str = "write a duration as 90s, 10m, 1h 30m or 250ms";
        if let Ok(seconds) = text.parse() {
            return Ok(Span(Duration::from_secs(seconds)));
        }
        let parsed: SignedDuration = text.parse().map_err(|_| HOW)?;
        Duration::try_from(parsed).map(Span).map_err(|_| HOW)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(span) => write!(f, "{span:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a duration is a string such as \"10m\", or a number of seconds")]
        enum Written {
            Seconds(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => Ok(Span(Duration::from_secs(seconds))),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn a_span_is_written_with_its_unit() {
        for (text, millis) in
            [("10m", 600_000), ("1h 30m", 5_400_000), ("1h30m", 5_400_000), ("250ms", 250), ("10", 10_000), ("0s", 0)]
        {
            assert_eq!(text.parse::<Span>().map(|span| span.0.as_millis()), Ok(millis), "{text}");
        }
        for text in ["", "ten", "-5s", "10 parsecs", "1.5.2s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn it_is_shown_as_it_can_be_read() {
        for text in ["10m", "1h 30m", "250ms", "0s"] {
            let span: Span = text.parse().expect("a span");
            assert_eq!(span.to_string().parse(), Ok(span), "{text}");
        }
    }
}
