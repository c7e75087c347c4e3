//! Durations as people write them, and the current time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Arg, Command};
use jiff::SignedDuration;
use nuncio_tokio::arcp::Time;
use serde::{Deserialize, Deserializer};

/// A duration as it is written on the command line and in the configuration file: `90s`, `10m`, `1h 30m`, `250ms`. A
/// number without a unit is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HumanDuration(Duration);

impl HumanDuration {
    /// How to write a duration.
    pub(crate) const FORMAT: &str =
        "write a duration as 90s, 10m, 1h 30m, 7d or 250ms; a number without a unit is seconds";

    pub(crate) const fn new(duration: Duration) -> HumanDuration {
        HumanDuration(duration)
    }

    pub(crate) const fn get(self) -> Duration {
        self.0
    }

    /// The duration in microseconds, or `u64::MAX` if that is too small for it.
    pub(crate) fn micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }
}

impl FromStr for HumanDuration {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<HumanDuration, &'static str> {
        if let Ok(seconds) = text.parse() {
            return Ok(HumanDuration(Duration::from_secs(seconds)));
        }
        // `jiff` knows no days, because some have 23 or 25 hours. Here a day has 24.
        let days = text.split_once('d').and_then(|(days, rest)| Some((days.trim().parse::<u32>().ok()?, rest.trim())));
        let (days, rest) = days.unwrap_or((0, text));
        let days = Duration::from_hours(24) * days;
        if rest.is_empty() && !days.is_zero() {
            return Ok(HumanDuration(days));
        }
        let parsed: SignedDuration = rest.parse().map_err(|_| HumanDuration::FORMAT)?;
        let parsed = Duration::try_from(parsed).map_err(|_| HumanDuration::FORMAT)?;
        parsed.checked_add(days).map(HumanDuration).ok_or(HumanDuration::FORMAT)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(duration) => write!(f, "{duration:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HumanDuration, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a duration is a string such as \"10m\", or a number of seconds")]
        enum Written {
            Seconds(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => Ok(HumanDuration(Duration::from_secs(seconds))),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// The note in the help of a command with durations.
const NOTE: &str = "\
Write durations as 90s, 10m, 1h 30m or 250ms. A number without a unit is
seconds.";

/// Adds to the help of every command that takes a duration how to write one, before its exit codes.
pub(crate) fn explain_durations(command: Command) -> Command {
    let is_taken = command.get_arguments().any(is_duration);
    let command = command.mut_subcommands(explain_durations);
    let (short, long) = (command.get_after_help(), command.get_after_long_help());
    let [short, long] = [short, long].map(|help| help.filter(|_| is_taken).map(|help| with_note(&help.to_string())));
    let command = if let Some(help) = short { command.after_help(help) } else { command };
    if let Some(help) = long { command.after_long_help(help) } else { command }
}

/// Returns whether the value of an option is a duration.
pub(crate) fn is_duration(arg: &Arg) -> bool {
    arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "DURATION" || name == "INTERVAL"))
}

fn with_note(help: &str) -> String {
    const CODES: &str = "\n\nExit codes:";
    match help.split_once(CODES) {
        _ if help.contains("Write durations as") => help.to_owned(),
        Some((notes, codes)) => format!("{notes}\n\n{NOTE}{CODES}{codes}"),
        None => format!("{help}\n\n{NOTE}"),
    }
}

/// Parses a duration that must not be zero.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, &'static str> {
    let duration = text.parse::<HumanDuration>()?.get();
    if duration.is_zero() { Err("the duration must be longer than zero") } else { Ok(duration) }
}

/// The current time of the system's clock.
pub(crate) fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(HumanDuration(since_epoch).micros())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::HumanDuration;

    #[test]
    fn durations_are_written_with_their_unit() {
        for (text, millis) in
            [("10m", 600_000), ("1h 30m", 5_400_000), ("1h30m", 5_400_000), ("250ms", 250), ("10", 10_000), ("0s", 0)]
        {
            assert_eq!(text.parse::<HumanDuration>().map(|duration| duration.get().as_millis()), Ok(millis), "{text}");
        }
        for (text, hours) in [("7d", 168), ("1d 12h", 36), ("2d1h", 49)] {
            assert_eq!(text.parse(), Ok(HumanDuration::new(Duration::from_hours(hours))), "{text}");
        }
        for text in ["", "ten", "-5s", "10 parsecs", "1.5.2s", "d", "1.5d", "-1d", "1d-1h", "2d 1d"] {
            assert!(text.parse::<HumanDuration>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_displayed_as_it_can_be_parsed() {
        for text in ["10m", "1h 30m", "250ms", "0s"] {
            let duration: HumanDuration = text.parse().expect("a duration");
            assert_eq!(duration.to_string().parse(), Ok(duration), "{text}");
        }
    }
}
