//! A durable stream of NATS `JetStream` for submitted jobs and results.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::{Config as ConsumerConfig, Stream as Pulled};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, ConsumerErrorKind, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, AckKind, ErrorCode};
use async_nats::{Client, Subject as NatsSubject};
use futures_core::Stream;
use nuncio_shared::cap::{
    Acknowledge, BusError, JetStreamOptions, Message, NatsOptions, Received, Subject, Subscription,
};
use nuncio_shared::io::{BoxFuture, Sanitized};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

/// How long the server may be silent until messages are asked for again.
const IDLE: Duration = Duration::from_secs(5);
/// For how long one question for messages holds.
const PULL: Duration = Duration::from_secs(30);
/// How many messages are asked for at a time.
const BATCH: usize = 200;
/// How many messages of a subscription wait for the router.
const WAITING: usize = 64;

/// A durable stream, with a consumer for each of its subjects.
#[derive(Clone, Debug)]
pub(super) struct Durable {
    context: jetstream::Context,
    options: Arc<NatsOptions>,
    settings: Arc<JetStreamOptions>,
    unacknowledged: Arc<Unacknowledged>,
    /// Cancelled when the bus is dropped.
    ended: CancellationToken,
}

/// Why a stream or a consumer is not there.
enum Absent {
    /// It may be there later.
    Unreached(String),
    /// It will not be there until somebody changes something.
    Refused(String),
}

impl Durable {
    /// Creates the stream and its consumers, or checks those that are there. A server that does not answer is asked again for
    /// [`NatsOptions::connect_within`].
    pub(super) async fn open(
        client: Client,
        options: NatsOptions,
        settings: JetStreamOptions,
        ended: CancellationToken,
    ) -> Result<Durable, BusError> {
        let durable = Durable {
            context: jetstream::new(client.clone()),
            options: Arc::new(options),
            settings: Arc::new(settings),
            unacknowledged: Arc::new(Unacknowledged { client, replies: Mutex::default() }),
            ended,
        };
        let mut late = pin!(sleep(durable.options.connect_within));
        let mut attempt = 0;
        loop {
            let error = match durable.prepare().await {
                Ok(()) => break,
                Err(Absent::Refused(reason)) => return Err(BusError::Refused(reason)),
                Err(Absent::Unreached(reason)) => reason,
            };
            attempt += 1;
            tokio::select! {
                biased;
                () = &mut late => return Err(BusError::Refused(error)),
                () = sleep(durable.options.pause(attempt)) => {}
            }
        }
        tokio::spawn(durable.clone().keep_unacknowledged());
        Ok(durable)
    }

    async fn prepare(&self) -> Result<(), Absent> {
        for subject in subjects() {
            self.consumer(&subject).await?;
        }
        Ok(())
    }

    /// Returns the consumer of a subject, which is created if it does not exist, and the stream with it.
    async fn consumer(&self, subject: &Subject) -> Result<PullConsumer, Absent> {
        let stream = self.stream().await?;
        let JetStreamOptions { consumer, ack_wait, unacknowledged, .. } = &*self.settings;
        let kind = if *subject == Subject::JobSubmit { "submit" } else { "result" };
        let config = ConsumerConfig {
            durable_name: Some(format!("{}-{kind}", escaped(consumer))),
            filter_subject: subject.to_string(),
            ack_wait: *ack_wait,
            max_ack_pending: i64::try_from(*unacknowledged).unwrap_or(i64::MAX),
            ..ConsumerConfig::default()
        };
        let name = &self.settings.stream;
        stream.create_consumer(config).await.map_err(|failure| match failure.kind() {
            ConsumerErrorKind::JetStream(fault) if fault.error_code() == ErrorCode::CONSUMER_WQ_CONSUMER_NOT_UNIQUE => {
                Absent::Refused(format!(
                    "the JetStream stream {name:?} belongs to a router with another name than {consumer:?}: start that one \
                     again, or delete its consumers from the stream"
                ))
            }
            ConsumerErrorKind::JetStream(fault) if is_lasting(fault.error_code()) => {
                Absent::Refused(format!("JetStream refuses the consumer {consumer:?} of the stream {name:?}: {fault}"))
            }
            ConsumerErrorKind::InvalidName => {
                Absent::Refused(format!("{consumer:?} cannot be the name of a JetStream consumer"))
            }
            _ => unreached(&failure),
        })
    }

    async fn stream(&self) -> Result<jetstream::stream::Stream, Absent> {
        let wanted = self.config();
        let name = &wanted.name;
        match self.context.get_stream(name).await {
            Ok(stream) => {
                let differences = differences(&wanted, &stream.cached_info().config);
                if differences.is_empty() {
                    return Ok(stream);
                }
                Err(Absent::Refused(format!(
                    "the JetStream stream {name:?} has other settings: {}; delete it or change it, or name another one",
                    differences.join("; ")
                )))
            }
            Err(failure) => match failure.kind() {
                GetStreamErrorKind::JetStream(fault) if fault.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    self.create(wanted).await
                }
                GetStreamErrorKind::JetStream(fault) if is_lasting(fault.error_code()) => {
                    Err(Absent::Refused(format!("JetStream refuses the stream {name:?}: {fault}")))
                }
                GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => {
                    Err(Absent::Refused(format!("{name:?} cannot be the name of a JetStream stream")))
                }
                _ => Err(unreached(&failure)),
            },
        }
    }

    async fn create(&self, wanted: Config) -> Result<jetstream::stream::Stream, Absent> {
        let name = wanted.name.clone();
        self.context.create_stream(wanted).await.map_err(|failure| match failure.kind() {
            CreateStreamErrorKind::JetStream(fault) if fault.error_code() == ErrorCode::STREAM_SUBJECT_OVERLAP => {
                Absent::Refused(format!(
                    "the JetStream stream {name:?} cannot be created: another stream has sys.job.submit or sys.job.result \
                     already; name that one, or take these subjects from it"
                ))
            }
            CreateStreamErrorKind::JetStream(fault) if is_lasting(fault.error_code()) => {
                Absent::Refused(format!("JetStream refuses the stream {name:?}: {fault}"))
            }
            CreateStreamErrorKind::EmptyStreamName | CreateStreamErrorKind::InvalidStreamName => {
                Absent::Refused(format!("{name:?} cannot be the name of a JetStream stream"))
            }
            _ => unreached(&failure),
        })
    }

    fn config(&self) -> Config {
        let settings = &*self.settings;
        Config {
            name: settings.stream.clone(),
            description: Some("submitted jobs and results of CAP, until a router has stored them".to_owned()),
            subjects: subjects().iter().map(ToString::to_string).collect(),
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            max_age: settings.max_age,
            max_bytes: settings.max_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            max_messages: -1,
            max_messages_per_subject: -1,
            max_message_size: -1,
            num_replicas: settings.replicas,
            ..Config::default()
        }
    }

    /// Subscribes to a subject of the stream; `None` if it has no such subject.
    pub(super) fn subscribe(&self, subject: &str) -> Option<Subscription> {
        let subject = subjects().into_iter().find(|known| known.to_string() == subject)?;
        let (sender, messages) = mpsc::channel(WAITING);
        tokio::spawn(self.clone().deliver(subject, sender));
        Some(Box::pin(Messages(messages)))
    }

    /// Passes on the messages of a subject, until the subscription or the bus is dropped.
    async fn deliver(self, subject: Subject, sender: mpsc::Sender<Received>) {
        let delivered = async {
            let mut attempt = 0;
            loop {
                match self.pull(&subject).await {
                    Ok(mut pulled) => {
                        attempt = 0;
                        self.pass(&mut pulled, &sender).await;
                    }
                    Err(Absent::Unreached(reason)) => {
                        debug!(subject = %Sanitized(&subject), reason, "the durable stream is not reached");
                    }
                    Err(Absent::Refused(reason)) => {
                        error!(subject = %Sanitized(&subject), reason, "nothing is received from the durable stream");
                    }
                }
                attempt += 1;
                sleep(self.options.pause(attempt)).await;
            }
        };
        tokio::select! {
            () = delivered => {}
            () = sender.closed() => {}
            () = self.ended.cancelled() => {}
        }
    }

    async fn pull(&self, subject: &Subject) -> Result<Pulled, Absent> {
        let consumer = self.consumer(subject).await?;
        let batch = BATCH.min(self.settings.unacknowledged.max(1));
        let pulled = consumer.stream().max_messages_per_batch(batch).expires(PULL).heartbeat(IDLE).messages().await;
        pulled.map_err(|failure| unreached(&failure))
    }

    /// Passes on messages until they are interrupted.
    async fn pass(&self, pulled: &mut Pulled, sender: &mpsc::Sender<Received>) {
        loop {
            let received = match std::future::poll_fn(|cx| Pin::new(&mut *pulled).poll_next(cx)).await {
                Some(Ok(received)) => received.message,
                Some(Err(error)) => {
                    warn!(error = %Sanitized(&error), "the durable stream is interrupted; it is asked again");
                    return;
                }
                None => return,
            };
            let message = Message { subject: received.subject.into_string(), reply: None, payload: received.payload };
            // The reply is where the acknowledgement goes.
            let acknowledgement = received.reply.map(|reply| self.unacknowledged.add(reply));
            if sender.send(Received { message, arrival: None, acknowledgement }).await.is_err() {
                return;
            }
        }
    }

    /// Tells the server again and again that the router has the messages that it has not acknowledged.
    async fn keep_unacknowledged(self) {
        let mut ticks = interval((self.settings.ack_wait / 3).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.unacknowledged.extend().await,
                () = self.ended.cancelled() => return,
            }
        }
    }
}

/// The subjects of the stream.
fn subjects() -> [Subject; 2] {
    [Subject::JobSubmit, Subject::JobResult]
}

/// Writes a name, which may be the id of a component, without the characters that a consumer's must not have.
fn escaped(name: &str) -> String {
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let escape = |byte: u8| if is_kept(byte) { char::from(byte).to_string() } else { format!("={byte:02x}") };
    name.bytes().map(escape).collect()
}

/// Returns what differs between the settings of a stream and those that it should have.
fn differences(wanted: &Config, found: &Config) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, wanted: &dyn Debug, found: &dyn Debug| {
        let (wanted, found) = (format!("{wanted:?}"), format!("{found:?}"));
        if wanted != found {
            differences.push(format!("{what} is {found} and should be {wanted}"));
        }
    };
    let subjects = |config: &Config| config.subjects.iter().cloned().collect::<BTreeSet<_>>();
    compare("subjects", &subjects(wanted), &subjects(found));
    compare("retention", &wanted.retention, &found.retention);
    compare("storage", &wanted.storage, &found.storage);
    compare("discard", &wanted.discard, &found.discard);
    compare("max_age", &wanted.max_age, &found.max_age);
    compare("max_bytes", &wanted.max_bytes, &found.max_bytes);
    compare("max_msgs", &wanted.max_messages, &found.max_messages);
    compare("max_msgs_per_subject", &wanted.max_messages_per_subject, &found.max_messages_per_subject);
    compare("max_msg_size", &wanted.max_message_size, &found.max_message_size);
    compare("num_replicas", &wanted.num_replicas, &found.num_replicas);
    compare("no_ack", &wanted.no_ack, &found.no_ack);
    compare("sealed", &wanted.sealed, &found.sealed);
    differences
}

/// Whether another attempt would fail alike. Everything else may be a server that has just started, or a cluster that has no
/// leader yet.
fn is_lasting(code: ErrorCode) -> bool {
    const TRANSIENT: [ErrorCode; 3] =
        [ErrorCode::CLUSTER_NOT_AVAILABLE, ErrorCode::CLUSTER_NOT_LEADER, ErrorCode::STREAM_NAME_EXIST];
    !TRANSIENT.contains(&code)
}

fn unreached(error: &impl Display) -> Absent {
    Absent::Unreached(format!("JetStream does not answer ({error}); does the nats-server run with --jetstream?"))
}

/// The messages that the router has and has not acknowledged.
#[derive(Debug)]
struct Unacknowledged {
    client: Client,
    replies: Mutex<Replies>,
}

/// Where acknowledgements go, by the numbers of the messages.
#[derive(Debug, Default)]
struct Replies {
    last: u64,
    by_number: BTreeMap<u64, NatsSubject>,
}

impl Unacknowledged {
    fn lock(&self) -> MutexGuard<'_, Replies> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, reply: NatsSubject) -> Box<dyn Acknowledge> {
        let mut replies = self.lock();
        replies.last += 1;
        let number = replies.last;
        replies.by_number.insert(number, reply);
        Box::new(Acknowledgement { of: Arc::clone(self), number })
    }

    async fn extend(&self) {
        let replies: Vec<NatsSubject> = self.lock().by_number.values().cloned().collect();
        for reply in replies {
            if let Err(error) = self.client.publish(reply, AckKind::Progress.into()).await {
                debug!(error = %Sanitized(&error), "a message may be delivered again before it is acknowledged");
            }
        }
    }
}

/// Acknowledges a message. Dropping it lets the message be delivered again.
#[derive(Debug)]
struct Acknowledgement {
    of: Arc<Unacknowledged>,
    number: u64,
}

impl Acknowledge for Acknowledgement {
    fn acknowledge(self: Box<Self>) -> BoxFuture<'static, Result<(), BusError>> {
        Box::pin(async move {
            let reply = self.of.lock().by_number.remove(&self.number);
            if let Some(reply) = reply {
                let published = self.of.client.publish(reply, AckKind::Ack.into()).await;
                published.map_err(|error| BusError::Disconnected(error.to_string()))?;
            }
            Ok(())
        })
    }
}

impl Drop for Acknowledgement {
    fn drop(&mut self) {
        self.of.lock().by_number.remove(&self.number);
    }
}

/// The messages of a subscription.
struct Messages(mpsc::Receiver<Received>);

impl Stream for Messages {
    type Item = Received;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.0.poll_recv(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field is named if and only if it differs, with what it is and what it should be.
    #[test]
    fn each_field_of_a_stream_that_differs_is_named() {
        type Change = fn(&mut Config);
        let wanted = Config { name: "JOBS".into(), subjects: vec!["a".into(), "b".into()], ..Config::default() };
        let reordered = Config { subjects: vec!["b".into(), "a".into()], ..wanted.clone() };
        assert_eq!(differences(&wanted, &reordered), Vec::<String>::new(), "the order of subjects means nothing");
        let change: [(&str, Change); 12] = [
            ("subjects", |config| config.subjects.push("c".into())),
            ("retention", |config| config.retention = RetentionPolicy::WorkQueue),
            ("storage", |config| config.storage = StorageType::Memory),
            ("discard", |config| config.discard = DiscardPolicy::New),
            ("max_age", |config| config.max_age += Duration::from_secs(1)),
            ("max_bytes", |config| config.max_bytes += 7),
            ("max_msgs", |config| config.max_messages += 7),
            ("max_msgs_per_subject", |config| config.max_messages_per_subject += 7),
            ("max_msg_size", |config| config.max_message_size += 7),
            ("num_replicas", |config| config.num_replicas += 3),
            ("no_ack", |config| config.no_ack = true),
            ("sealed", |config| config.sealed = true),
        ];
        for (name, change) in change {
            let mut found = wanted.clone();
            change(&mut found);
            let said = differences(&wanted, &found);
            assert!(matches!(&said[..], [one] if one.starts_with(&format!("{name} is "))), "{name}: {said:?}");
            assert_eq!(differences(&found, &wanted).len(), 1, "{name} differs either way");
        }
    }

    #[test]
    fn what_may_pass_by_itself_is_tried_again() {
        for code in [ErrorCode::CLUSTER_NOT_AVAILABLE, ErrorCode::CLUSTER_NOT_LEADER, ErrorCode::STREAM_NAME_EXIST] {
            assert!(!is_lasting(code), "{code:?}");
        }
        for code in [ErrorCode::JETSTREAM_NOT_ENABLED, ErrorCode::STREAM_NOT_FOUND, ErrorCode::BAD_REQUEST] {
            assert!(is_lasting(code), "{code:?}");
        }
    }
}
