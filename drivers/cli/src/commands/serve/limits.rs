//! The limits of `nuncio serve`.

use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use nuncio_tokio::arcp::Config;
use serde::Deserialize;

use crate::size;
use crate::time::HumanDuration;

/// A limit whose value is out of range.
#[derive(Debug, thiserror::Error)]
#[error("--{limit} {value} is out of range: {why}")]
pub(super) struct LimitError {
    limit: String,
    value: String,
    why: &'static str,
}

/// The result of setting a limit; the error says what is in range.
type Set = Result<(), &'static str>;

/// A type that the value of a limit has.
trait Limit: FromStr + Display {
    /// How to write a value.
    const FORMAT: &str;

    /// The value as people write it.
    fn written(&self) -> String {
        self.to_string()
    }
}

impl Limit for NonZeroU32 {
    const FORMAT: &str = POSITIVE;
}

impl Limit for NonZeroU64 {
    const FORMAT: &str = POSITIVE;
}

impl Limit for NonZeroUsize {
    const FORMAT: &str = POSITIVE;
}

impl Limit for u32 {
    const FORMAT: &str = NUMBER;
}

impl Limit for usize {
    const FORMAT: &str = NUMBER;
}

impl Limit for ByteSize {
    const FORMAT: &str = size::FORMAT;

    fn written(&self) -> String {
        size::exact(*self)
    }
}

impl Limit for HumanDuration {
    const FORMAT: &str = HumanDuration::FORMAT;
}

const NUMBER: &str = "write a whole number, such as 100";
const POSITIVE: &str = "write a whole number that is at least 1, such as 100";

fn parse<T: Limit>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| T::FORMAT)
}

/// Declares the limits. Each has a name, on the command line and in the file, a type, a placeholder for its help, and a
/// function that sets it.
macro_rules! limits {
    ($($(#[$attribute:meta])* $name:ident: $kind:ty, $value:literal, $set:expr;)*) => {
        /// Limits and intervals. Those that are not given keep the default of [`Config`].
        #[derive(Args, Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default, expecting = "a table, such as [limits] with jobs = 100")]
        #[command(next_help_heading = "Limits")]
        pub(super) struct Limits {
            $($(#[$attribute])* #[arg(long, value_name = $value, value_parser = parse::<$kind>)] $name: Option<$kind>,)*
        }

        impl Limits {
            /// These limits, and `others` where they are not given.
            pub(super) fn or(self, others: Limits) -> Limits {
                Limits { $($name: self.$name.or(others.$name),)* }
            }

            /// Sets the limits that are given.
            pub(super) fn apply(&self, config: &mut Config) -> Result<(), LimitError> {
                $(if let Some(value) = self.$name {
                    let set: fn(&mut Config, $kind) -> Set = $set;
                    set(config, value).map_err(|why| {
                        LimitError { limit: kebab(stringify!($name)), value: value.written(), why }
                    })?;
                })*
                Ok(())
            }

            /// The limits that are given, as in the configuration file.
            pub(super) fn given(&self) -> Vec<String> {
                let given = [$(self.$name.map(|value| format!("{} = {}", kebab(stringify!($name)), value.written())),)*];
                given.into_iter().flatten().collect()
            }
        }
    };
}

limits! {
    /// Maximum size of a frame in either direction, and of a line that a program writes; at least 4 KiB [default: 1 MiB]
    frame_bytes: ByteSize, "SIZE", |config, size| bytes(&mut config.limits.frame_bytes, size, 4 << 10);
    /// Maximum size of everything that sessions and jobs hold. One principal has at most half of it; at least 16 MiB
    /// [default: 1 GiB]
    memory: ByteSize, "SIZE", |config, size| memory(config, size);
    /// Maximum size of the records of one principal's sessions and jobs in the journal [default: 4 GiB]
    journal_bytes_per_principal: ByteSize, "SIZE", |config, size| {
        assign(&mut config.limits.journal_bytes_per_principal, size.as_u64())
    };
    /// Maximum number of connections [default: 10000]
    connections: NonZeroUsize, "COUNT", |config, count| assign(&mut config.limits.connections, count.get());
    /// Maximum number of sessions, connected or not [default: 10000]
    sessions: NonZeroUsize, "COUNT", |config, count| assign(&mut config.limits.sessions, count.get());
    /// Maximum number of sessions of one principal [default: 1000]
    sessions_per_principal: NonZeroUsize, "COUNT", |config, count| assign(&mut config.limits.sessions_per_principal, count.get());
    /// Maximum number of jobs that have not ended [default: 100000]
    jobs: NonZeroUsize, "COUNT", |config, count| assign(&mut config.limits.jobs, count.get());
    /// Maximum number of jobs of one principal that have not ended [default: 50000]
    jobs_per_principal: NonZeroUsize, "COUNT", |config, count| assign(&mut config.limits.jobs_per_principal, count.get());
    /// Maximum number of jobs of one session that have not ended [default: 1000]
    jobs_per_session: NonZeroUsize, "COUNT", |config, count| assign(&mut config.limits.jobs_per_session, count.get());
    /// Maximum number of submits of one principal in a second [default: no limit]
    submits_per_second: NonZeroU32, "COUNT", |config, count| assign(&mut config.limits.submits_per_second, Some(count.get()));
    /// Maximum number of refused tokens of one address in a minute. After that, its connections are refused [default: no
    /// limit]
    failed_logins_per_minute: NonZeroU32, "COUNT", |config, count| {
        assign(&mut config.limits.failed_logins_per_minute, Some(count.get()))
    };
    /// Maximum number of jobs that one session is subscribed to [default: 1000]
    subscriptions: NonZeroUsize, "COUNT", |config, count| assign(&mut config.limits.subscriptions, count.get());
    /// Maximum depth of delegation [default: 8]
    delegation_depth: u32, "COUNT", |config, count| assign(&mut config.limits.delegation_depth, count);
    /// Maximum number of unacknowledged events that a session keeps [default: 10000]
    log_events: NonZeroUsize, "COUNT", |config, count| assign(&mut config.limits.log_events, count.get());
    /// Maximum size of the unacknowledged events that a session keeps; at least 4 KiB [default: 16 MiB]
    log_bytes: ByteSize, "SIZE", |config, size| bytes(&mut config.limits.log_bytes, size, 4 << 10);
    /// Maximum number of events that a job keeps for later subscribers [default: 10000]
    history_events: NonZeroUsize, "COUNT", |config, count| assign(&mut config.limits.history_events, count.get());
    /// Maximum size of the events that a job keeps for later subscribers; at least 4 KiB [default: 16 MiB]
    history_bytes: ByteSize, "SIZE", |config, size| bytes(&mut config.limits.history_bytes, size, 4 << 10);
    /// Maximum number of ended jobs that are kept [default: 10000]
    retained_jobs: usize, "COUNT", |config, count| assign(&mut config.limits.retained_jobs, count);
    /// Maximum size of the ended jobs that are kept [default: 64 MiB]
    retained_bytes: ByteSize, "SIZE", |config, size| bytes(&mut config.limits.retained_bytes, size, 0);
    /// Maximum size of a streamed result [default: 256 MiB]
    result_bytes: ByteSize, "SIZE", |config, size| assign(&mut config.limits.result_bytes, size.as_u64());
    /// Number of unacknowledged events above which a client is sent a back-pressure event [default: 1000]
    back_pressure: NonZeroU64, "COUNT", |config, count| assign(&mut config.limits.back_pressure, count.get());
    /// Maximum number of malformed frames per minute and connection [default: 100]
    bad_frames: NonZeroU32, "COUNT", |config, count| assign(&mut config.limits.bad_frames, count.get());
    /// Interval of heartbeats, in whole seconds [default: 30s]
    #[arg(help_heading = "Timeouts")]
    heartbeat_interval: HumanDuration, "DURATION", |config, duration| {
        assign(&mut config.heartbeat_interval, whole_seconds(duration)?)
    };
    /// Time for which a session without a connection can be resumed, in whole seconds [default: 10m]
    #[arg(help_heading = "Timeouts")]
    resume_window: HumanDuration, "DURATION", |config, duration| {
        assign(&mut config.resume_window, whole_seconds(duration)?)
    };
    /// Time that a client has to send its hello after connecting [default: 10s]
    #[arg(help_heading = "Timeouts")]
    hello_timeout: HumanDuration, "DURATION", |config, duration| positive(&mut config.hello_timeout, duration);
    /// Time that the agent of a cancelled job has to end [default: 30s]
    #[arg(help_heading = "Timeouts")]
    cancel_grace: HumanDuration, "DURATION", |config, duration| assign(&mut config.cancel_grace, duration.get());
    /// Time that people have to approve an operation of --ask. After that, it is denied [default: 1h]
    #[arg(help_heading = "Timeouts")]
    approval_timeout: HumanDuration, "DURATION", |config, duration| assign(&mut config.approval_timeout, duration.get());
    /// Time after which a connection that reads nothing is closed [default: 1m]
    #[arg(help_heading = "Timeouts")]
    stall_timeout: HumanDuration, "DURATION", |config, duration| positive(&mut config.stall_timeout, duration);
    /// Time for which an ended job is kept [default: 24h]
    #[arg(help_heading = "Timeouts")]
    retention: HumanDuration, "DURATION", |config, duration| assign(&mut config.job_retention, duration.get());
    /// Time for which an idempotency key is remembered, in whole seconds [default: 24h]
    #[arg(help_heading = "Timeouts")]
    idempotency: HumanDuration, "DURATION", |config, duration| assign(&mut config.idempotency_window, whole_seconds(duration)?);
}

#[expect(clippy::unnecessary_wraps, reason = "the functions that set limits have one signature")]
fn assign<T>(field: &mut T, value: T) -> Set {
    *field = value;
    Ok(())
}

fn bytes(field: &mut usize, size: ByteSize, least: u64) -> Set {
    if size.as_u64() < least {
        return Err("the minimum is 4 KiB");
    }
    assign(field, usize::try_from(size.as_u64()).map_err(|_| "this machine cannot address so many bytes")?)
}

/// Sets the total, and the parts that inputs and one principal may have of it.
fn memory(config: &mut Config, size: ByteSize) -> Set {
    if size.as_u64() < 16 << 20 {
        return Err("the minimum is 16 MiB");
    }
    let bytes = usize::try_from(size.as_u64()).map_err(|_| "this machine cannot address so many bytes")?;
    let limits = &mut config.limits;
    (limits.bytes, limits.bytes_per_principal) = (bytes, bytes / 2);
    (limits.input_bytes, limits.input_bytes_per_principal) = (bytes, bytes / 2);
    Ok(())
}

fn positive(field: &mut Duration, duration: HumanDuration) -> Set {
    if duration.get().is_zero() { Err("it must be longer than zero") } else { assign(field, duration.get()) }
}

/// Drops fractions of a second, and refuses less than a second.
fn whole_seconds(duration: HumanDuration) -> Result<Duration, &'static str> {
    match duration.get().as_secs() {
        0 => Err("the minimum is 1s"),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

fn kebab(name: &str) -> String {
    name.replace('_', "-")
}
