//! The subjects of the bus, on which packets are published.

use alloc::sync::Arc;
use core::fmt;

/// The longest topic or component id, in bytes.
const MAX_BYTES: usize = 256;

/// Why a text is not a topic or a component id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSubject {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It is longer than 256 bytes.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It begins or ends with a dot, or has two in a row.
    #[error("it begins or ends with a dot, or has two dots in a row")]
    EmptyToken,
    /// It has a character other than visible ASCII.
    #[error("it has a character other than visible ASCII")]
    Character,
    /// It has a wildcard of the bus, `*` or `>`.
    #[error("it has a wildcard, `*` or `>`")]
    Wildcard,
    /// It is a subject of the protocol itself: it begins with `sys.` or `worker.`, or with the `_` or `$` that a NATS
    /// server keeps for itself.
    #[error("it begins with `sys.`, `worker.`, `_` or `$`, which are reserved")]
    Reserved,
}

/// Checks that a text can be a subject of its own or a part of one: tokens between dots, without wildcards.
fn check(text: &str) -> Result<(), InvalidSubject> {
    if text.is_empty() {
        return Err(InvalidSubject::Empty);
    }
    if text.len() > MAX_BYTES {
        return Err(InvalidSubject::TooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(InvalidSubject::Character);
    }
    if text.contains(['*', '>']) {
        return Err(InvalidSubject::Wildcard);
    }
    if text.split('.').any(str::is_empty) {
        return Err(InvalidSubject::EmptyToken);
    }
    Ok(())
}

macro_rules! names {
    ($( $(#[$doc:meta])* $name:ident: $check:expr; )+) => { $(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text.
            pub fn new(text: &str) -> Result<$name, InvalidSubject> {
                check(text)?;
                let further: fn(&str) -> Result<(), InvalidSubject> = $check;
                further(text)?;
                Ok($name(text.into()))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )+ };
}

names! {
    /// The topic of a kind of job, such as `job.echo`: a subject without wildcards that the protocol and the NATS server do
    /// not use themselves. At most 256 bytes of visible ASCII.
    Topic: |text| {
        let reserved = ["sys.", "worker.", "_", "$"].iter().any(|prefix| text.starts_with(prefix));
        if reserved { Err(InvalidSubject::Reserved) } else { Ok(()) }
    };
    /// The id of a component, such as a worker: it is the sender of packets, and a part of the worker's direct subject. At
    /// most 256 bytes of visible ASCII without wildcards.
    ComponentId: |_| Ok(());
}

/// A subject of the bus.
///
/// ```
/// use nuncio_core::cap::{ComponentId, Subject, Topic};
///
/// assert_eq!(Subject::parse("sys.job.submit"), Ok(Subject::JobSubmit));
/// assert_eq!(Subject::parse("job.echo"), Ok(Subject::Topic(Topic::new("job.echo")?)));
/// assert_eq!(Subject::Direct(ComponentId::new("worker-1")?).to_string(), "worker.worker-1.jobs");
/// assert!(Subject::parse("job.*").is_err());
/// # Ok::<(), nuncio_core::cap::InvalidSubject>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// `sys.job.submit`: job requests of clients.
    JobSubmit,
    /// `sys.job.result`: results of workers.
    JobResult,
    /// `sys.job.progress`: progress of workers.
    JobProgress,
    /// `sys.job.cancel`: cancellations, for every worker.
    JobCancel,
    /// `sys.job.dlq`: jobs that could not be run.
    JobDeadLetter,
    /// `sys.heartbeat`: heartbeats of workers.
    Heartbeat,
    /// `sys.handshake`: handshakes of all components.
    Handshake,
    /// `sys.alert`: alerts.
    Alert,
    /// `sys.workflow.event`: events of workflows.
    WorkflowEvent,
    /// `sys.worker.handshake.challenge`: requests for a challenge (2.17).
    TrustChallenge,
    /// `sys.worker.handshake.authenticate`: answers to a challenge (2.17).
    TrustAuthenticate,
    /// A topic: job requests for any worker of that kind.
    Topic(Topic),
    /// `worker.ID.jobs`: job requests for one worker.
    Direct(ComponentId),
}

/// Declares the subjects that do not depend on anything, for both directions.
macro_rules! fixed {
    ($( $subject:ident = $text:literal, )+) => {
        impl Subject {
            fn fixed(text: &str) -> Option<Subject> {
                match text {
                    $( $text => Some(Subject::$subject), )+
                    _ => None,
                }
            }
        }

        impl fmt::Display for Subject {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Subject::$subject => f.write_str($text), )+
                    Subject::Topic(topic) => f.write_str(topic.as_str()),
                    Subject::Direct(worker) => write!(f, "worker.{worker}.jobs"),
                }
            }
        }
    };
}

fixed! {
    JobSubmit = "sys.job.submit",
    JobResult = "sys.job.result",
    JobProgress = "sys.job.progress",
    JobCancel = "sys.job.cancel",
    JobDeadLetter = "sys.job.dlq",
    Heartbeat = "sys.heartbeat",
    Handshake = "sys.handshake",
    Alert = "sys.alert",
    WorkflowEvent = "sys.workflow.event",
    TrustChallenge = "sys.worker.handshake.challenge",
    TrustAuthenticate = "sys.worker.handshake.authenticate",
}

impl Subject {
    /// Returns whether a durable stream may keep the packets of this subject until a router has acknowledged them: jobs that
    /// are submitted, and results. Everything else says what is so at the moment, or must not be kept, as the handshakes of
    /// the trust session.
    pub const fn is_durable(&self) -> bool {
        matches!(self, Subject::JobSubmit | Subject::JobResult)
    }

    /// Parses a subject. A text that is neither a subject of the protocol nor a direct subject is parsed as a topic.
    pub fn parse(text: &str) -> Result<Subject, InvalidSubject> {
        if let Some(subject) = Subject::fixed(text) {
            return Ok(subject);
        }
        if let Some(id) = text.strip_prefix("worker.").and_then(|rest| rest.strip_suffix(".jobs")) {
            return ComponentId::new(id).map(Subject::Direct);
        }
        Topic::new(text).map(Subject::Topic)
    }
}
