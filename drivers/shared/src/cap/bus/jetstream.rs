//! The options of a durable stream of NATS.

use std::time::Duration;

/// How submitted jobs and results are kept in a stream of NATS `JetStream` until a router has stored them.
///
/// The stream holds the subjects `sys.job.submit` and `sys.job.result` and nothing else. It is a work queue: a message leaves
/// it with its acknowledgement, which a router sends once the records of the message are durable. So the router needs
/// [`records`](crate::cap::RouterBuilder::records) as well; without them a job is acknowledged and lost with the router.
/// Clients and workers need no setting, and publish as they do without a stream.
///
/// ```
/// use nuncio_shared::cap::{JetStreamOptions, NatsOptions};
///
/// let mut options = NatsOptions::new("nats://127.0.0.1:4222")?;
/// options.jetstream = Some(JetStreamOptions::new("router-1"));
/// # Ok::<(), nuncio_shared::cap::InvalidOptions>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JetStreamOptions {
    /// The name of the stream. It is created if it does not exist; one with other settings is an error. Default:
    /// [`DEFAULT_STREAM`](JetStreamOptions::DEFAULT_STREAM).
    pub stream: String,
    /// The name of the stream's consumers, to which `-submit` and `-result` is appended. A router that is started again has to
    /// have the same one. A stream has one router; another name is refused while the consumers of the first are there.
    pub consumer: String,
    /// How many servers of the cluster keep the stream. Default: 1.
    pub replicas: usize,
    /// How long a message is kept that no router has acknowledged. It should not exceed the time for which a router remembers
    /// ended jobs, [`RouterConfig::retention`](crate::cap::RouterConfig::retention). Default: 24 h.
    pub max_age: Duration,
    /// The most bytes that the stream keeps; further messages are not kept. Default: none, the limit of the server.
    pub max_bytes: Option<u64>,
    /// The time after which a message that was not acknowledged is delivered again. It is extended while the router has the
    /// message and its records are being stored. Default: 30 s.
    pub ack_wait: Duration,
    /// How many messages may wait for their acknowledgement. Default: 1 000.
    pub unacknowledged: usize,
}

impl JetStreamOptions {
    /// The stream of a router that names no other.
    pub const DEFAULT_STREAM: &str = "NUNCIO_CAP";

    /// Returns the default settings, for a router that keeps this name.
    pub fn new(consumer: impl Into<String>) -> JetStreamOptions {
        JetStreamOptions {
            stream: JetStreamOptions::DEFAULT_STREAM.to_owned(),
            consumer: consumer.into(),
            replicas: 1,
            max_age: Duration::from_hours(24),
            max_bytes: None,
            ack_wait: Duration::from_secs(30),
            unacknowledged: 1_000,
        }
    }
}
