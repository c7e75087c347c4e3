//! The limits that an operator sets.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use nuncio_tokio::arcp::Config;
use serde::Deserialize;

use super::units::Span;

/// A limit that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("--{limit} {value} cannot be: {why}")]
pub(crate) struct LimitError {
    limit: String,
    value: String,
    why: &'static str,
}

type Set = Result<(), &'static str>;

/// Each limit: its name on the command line and in the file, and where its value goes.
macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident: $kind:ty, $value:literal, $set:expr;)*) => {
        /// Limits and intervals; what is not given is as the runtime has it.
        #[derive(Args, Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        #[command(next_help_heading = "Limits")]
        pub(crate) struct Limits {
            $($(#[doc = $doc])* #[arg(long, value_name = $value)] $name: Option<$kind>,)*
        }

        impl Limits {
            /// These, and for the rest the others.
            pub(crate) fn or(self, others: Limits) -> Limits {
                Limits { $($name: self.$name.or(others.$name),)* }
            }

            /// Sets what is given.
            pub(crate) fn apply(&self, config: &mut Config) -> Result<(), LimitError> {
                $(if let Some(value) = self.$name {
                    let set: fn(&mut Config, $kind) -> Set = $set;
                    set(config, value).map_err(|why| {
                        LimitError { limit: kebab(stringify!($name)), value: value.to_string(), why }
                    })?;
                })*
                Ok(())
            }

            /// What is given, as it can be written.
            pub(crate) fn given(&self) -> Vec<String> {
                let given = [$(self.$name.map(|value| format!("{} = {value}", kebab(stringify!($name)))),)*];
                given.into_iter().flatten().collect()
            }
        }
    };
}

limits! {
    /// The largest frame, in and out, and the longest line of a program [default: 1 MiB]
    frame_bytes: ByteSize, "SIZE", |config, size| bytes(&mut config.limits.frame_bytes, size, 4 << 10);
    /// Connections at the same time [default: 10000]
    connections: NonZeroUsize, "COUNT", |config, count| to(&mut config.limits.connections, count.get());
    /// Sessions, with and without a connection [default: 10000]
    sessions: NonZeroUsize, "COUNT", |config, count| to(&mut config.limits.sessions, count.get());
    /// Sessions of one principal [default: 1000]
    sessions_per_principal: NonZeroUsize, "COUNT", |config, count| to(&mut config.limits.sessions_per_principal, count.get());
    /// Jobs that have not ended [default: 100000]
    jobs: NonZeroUsize, "COUNT", |config, count| to(&mut config.limits.jobs, count.get());
    /// Jobs of one session that have not ended [default: 1000]
    jobs_per_session: NonZeroUsize, "COUNT", |config, count| to(&mut config.limits.jobs_per_session, count.get());
    /// Jobs that one session may watch [default: 1000]
    subscriptions: NonZeroUsize, "COUNT", |config, count| to(&mut config.limits.subscriptions, count.get());
    /// How deep jobs may delegate [default: 8]
    delegation_depth: u32, "COUNT", |config, count| to(&mut config.limits.delegation_depth, count);
    /// Events kept for a session until they are acknowledged [default: 10000]
    log_events: NonZeroUsize, "COUNT", |config, count| to(&mut config.limits.log_events, count.get());
    /// Bytes of the events kept for a session [default: 16 MiB]
    log_bytes: ByteSize, "SIZE", |config, size| bytes(&mut config.limits.log_bytes, size, 4 << 10);
    /// Events kept of a job for those who watch it later [default: 10000]
    history_events: NonZeroUsize, "COUNT", |config, count| to(&mut config.limits.history_events, count.get());
    /// Bytes of the events kept of a job [default: 16 MiB]
    history_bytes: ByteSize, "SIZE", |config, size| bytes(&mut config.limits.history_bytes, size, 4 << 10);
    /// Ended jobs that are kept [default: 10000]
    retained_jobs: usize, "COUNT", |config, count| to(&mut config.limits.retained_jobs, count);
    /// Bytes of the ended jobs that are kept [default: 64 MiB]
    retained_bytes: ByteSize, "SIZE", |config, size| bytes(&mut config.limits.retained_bytes, size, 0);
    /// The largest streamed result [default: 256 MiB]
    result_bytes: ByteSize, "SIZE", |config, size| to(&mut config.limits.result_bytes, size.as_u64());
    /// Unacknowledged events above which a client is told to hurry [default: 1000]
    back_pressure: NonZeroU64, "COUNT", |config, count| to(&mut config.limits.back_pressure, count.get());
    /// Bad frames a client may send in a minute [default: 100]
    bad_frames: NonZeroU32, "COUNT", |config, count| to(&mut config.limits.bad_frames, count.get());
    /// Between signs of life [default: 30s]
    heartbeat_interval: Span, "DURATION", |config, span| {
        to(&mut config.heartbeat_interval, whole_seconds(span)?)
    };
    /// How long a session without a connection can be resumed [default: 10m]
    resume_window: Span, "DURATION", |config, span| {
        to(&mut config.resume_window, whole_seconds(span)?)
    };
    /// From a connection to its hello [default: 10s]
    hello_timeout: Span, "DURATION", |config, span| positive(&mut config.hello_timeout, span);
    /// How long a cancelled job may go on [default: 30s]
    cancel_grace: Span, "DURATION", |config, span| to(&mut config.cancel_grace, span.0);
    /// How long a connection that takes nothing is kept [default: 1m]
    stall_timeout: Span, "DURATION", |config, span| positive(&mut config.stall_timeout, span);
    /// How long an ended job is kept [default: 24h]
    retention: Span, "DURATION", |config, span| to(&mut config.job_retention, span.0);
    /// How long an idempotency key is remembered [default: 24h]
    idempotency: Span, "DURATION", |config, span| to(&mut config.idempotency_window, whole_seconds(span)?);
}

#[expect(clippy::unnecessary_wraps, reason = "all limits are set in one form")]
fn to<T>(field: &mut T, value: T) -> Set {
    *field = value;
    Ok(())
}

fn bytes(field: &mut usize, size: ByteSize, least: u64) -> Set {
    if size.as_u64() < least {
        return Err("at least 4 KiB are needed");
    }
    to(field, usize::try_from(size.as_u64()).map_err(|_| "it is more than this machine can address")?)
}

fn positive(field: &mut Duration, span: Span) -> Set {
    if span.0.is_zero() { Err("it must be longer than nothing") } else { to(field, span.0) }
}

/// Whole seconds, at least one, as they are on the wire.
fn whole_seconds(span: Span) -> Result<Duration, &'static str> {
    if span.0.as_secs() == 0 { Err("it must be at least a second") } else { Ok(Duration::from_secs(span.0.as_secs())) }
}

fn kebab(name: &str) -> String {
    name.replace('_', "-")
}
