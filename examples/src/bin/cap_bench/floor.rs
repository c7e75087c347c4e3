//! The baselines: async-nats alone, and with the crate `redis`. The messages have the lengths of ours and take the same way;
//! nobody reads them. With Redis, the blobs have the lengths of ours, too, and the commands are the same: the client stores an
//! input before it submits; the worker reads it, looks at the same time for a result of an earlier run, and stores a result
//! before it answers; the client reads that.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_nats::{Client, Subscriber};
use futures_lite::StreamExt as _;
use nuncio_examples::bench::serve;
use redis::Pipeline;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Mutex, oneshot};

use crate::Place;
use crate::side::answer;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const SUBMIT: &str = "sys.job.submit";
const TOPIC: &str = "job.echo";
const RESULT: &str = "sys.job.result";

/// The number at the start of each message, which pairs a result with its request.
type Number = [u8; 8];

/// The lengths of messages and blobs.
#[derive(Clone, Copy)]
struct Sizes {
    request: usize,
    result: usize,
    input: usize,
    output: usize,
}

fn sizes(place: &Place) -> Result<Sizes> {
    let least = size_of::<Number>();
    match place.sizes[..] {
        [request, result, input, output] if request >= least && result >= least => {
            Ok(Sizes { request, result, input, output })
        }
        _ => Err("four lengths are needed, the first two of at least 8 bytes".into()),
    }
}

async fn connect(place: &Place) -> Result<Client> {
    Ok(async_nats::connect(&place.nats).await?)
}

fn number(message: &async_nats::Message) -> Result<Number> {
    Ok(message.payload.get(..size_of::<Number>()).ok_or("a message without a number")?.try_into()?)
}

/// Returns a message of a length with a number at its start.
fn message(number: Number, length: usize) -> bytes::Bytes {
    let mut message = vec![0; length];
    message[..number.len()].copy_from_slice(&number);
    message.into()
}

/// A connection to Redis, or none.
#[derive(Clone)]
struct Blobs(Option<MultiplexedConnection>);

impl Blobs {
    async fn connect(place: &Place) -> Result<Blobs> {
        if place.redis.is_empty() {
            return Ok(Blobs(None));
        }
        Ok(Blobs(Some(redis::Client::open(&*place.redis)?.get_multiplexed_async_connection().await?)))
    }

    /// Returns the name of a blob, of the length of ours.
    fn key(kind: &str, number: Number) -> String {
        format!("{kind}:{:036}", u64::from_be_bytes(number))
    }

    /// Stores a blob for a day.
    async fn store(&mut self, kind: &str, number: Number, length: usize) -> Result<()> {
        let Some(redis) = &mut self.0 else { return Ok(()) };
        let mut commands = Pipeline::new();
        commands.cmd("SET").arg(Blobs::key(kind, number)).arg(vec![b' '; length]).arg("PX").arg(86_400_000);
        let _said: Vec<redis::Value> = commands.query_async(redis).await?;
        Ok(())
    }

    /// Reads a blob of this length, of which a byte more than 2 MiB is asked for at most; one of length 0 is not there.
    async fn load(&mut self, kind: &str, number: Number, length: usize) -> Result<()> {
        let Some(redis) = &mut self.0 else { return Ok(()) };
        let (mut commands, key) = (Pipeline::new(), Blobs::key(kind, number));
        commands.cmd("GETRANGE").arg(&key).arg(0).arg(2 << 20);
        commands.cmd("EXISTS").arg(&key);
        let (blob, exists): (Vec<u8>, bool) = commands.query_async(redis).await?;
        if exists == (length > 0) && blob.len() == length {
            Ok(())
        } else {
            Err(format!("{key} has {} bytes", blob.len()).into())
        }
    }
}

/// Receives requests and answers with results.
pub(crate) async fn worker(place: &Place) -> Result<()> {
    let (nats, sizes, blobs) = (connect(place).await?, sizes(place)?, Blobs::connect(place).await?);
    let mut requests = nats.queue_subscribe(TOPIC, TOPIC.into()).await?;
    nats.flush().await?;
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let (nats, mut blobs, number) = (nats.clone(), blobs.clone(), number(&request).expect("it has a number"));
            let waits = blobs.0.is_some();
            let work = async move {
                let mut results = blobs.clone();
                let (input, result) =
                    tokio::join!(blobs.load("ctx", number, sizes.input), results.load("res", number, 0));
                input.and(result).expect("the input was stored, and no result yet");
                blobs.store("res", number, sizes.output).await.expect("Redis runs");
                nats.publish(RESULT, message(number, sizes.result)).await.expect("the connection lives");
            };
            // The next request does not wait for the blobs of this one.
            if waits {
                tokio::spawn(work);
            } else {
                work.await;
            }
        }
    });
    serve().await
}

/// Passes requests on, and receives the results, too.
pub(crate) async fn router(place: &Place) -> Result<()> {
    let nats = connect(place).await?;
    let (mut submitted, mut results) =
        (nats.queue_subscribe(SUBMIT, SUBMIT.into()).await?, nats.subscribe(RESULT).await?);
    nats.flush().await?;
    tokio::spawn(async move { while results.next().await.is_some() {} });
    tokio::spawn(async move {
        while let Some(request) = submitted.next().await {
            nats.publish(TOPIC, request.payload).await.expect("the connection lives");
        }
    });
    serve().await
}

pub(crate) async fn client(place: &Place) -> Result<()> {
    let (nats, sizes, blobs) = (connect(place).await?, sizes(place)?, Blobs::connect(place).await?);
    let mut results = nats.subscribe(RESULT).await?;
    nats.flush().await?;
    if blobs.0.is_none() {
        return answer(async |count, in_flight| messages(&nats, &mut results, sizes, count, in_flight).await).await;
    }
    let jobs = Jobs { nats, blobs, sizes, waiting: Arc::default(), next: Arc::default() };
    tokio::spawn(deliver(results, Arc::clone(&jobs.waiting)));
    answer(async |count, in_flight| {
        let left = Arc::new(AtomicUsize::new(count));
        let tasks: Vec<_> = (0..in_flight).map(|_| tokio::spawn(jobs.clone().run(Arc::clone(&left)))).collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await??);
        }
        Ok(took)
    })
    .await
}

/// Sends requests, and waits for their results in one task.
async fn messages(
    nats: &Client,
    results: &mut Subscriber,
    sizes: Sizes,
    count: usize,
    in_flight: usize,
) -> Result<Vec<Duration>> {
    let (mut sent, mut took, mut started) = (0, Vec::new(), HashMap::new());
    while took.len() < count {
        while sent < count && started.len() < in_flight {
            let number = u64::try_from(sent)?.to_be_bytes();
            started.insert(number, Instant::now());
            nats.publish(SUBMIT, message(number, sizes.request)).await?;
            sent += 1;
        }
        let result = results.next().await.ok_or("the connection has ended")?;
        let started = started.remove(&number(&result)?).ok_or("a result nobody has asked for")?;
        took.push(Instant::elapsed(&started));
    }
    Ok(took)
}

/// The jobs that wait for their results.
type Waiting = Arc<Mutex<HashMap<Number, oneshot::Sender<()>>>>;

async fn deliver(mut results: Subscriber, waiting: Waiting) {
    while let Some(result) = results.next().await {
        let waiter = waiting.lock().await.remove(&number(&result).expect("a result has a number"));
        // A task that has failed waits no more.
        let _is_gone = waiter.map(|waiter| waiter.send(()));
    }
}

/// Sends requests with blobs from several tasks, each of which waits for its result.
#[derive(Clone)]
struct Jobs {
    nats: Client,
    blobs: Blobs,
    sizes: Sizes,
    waiting: Waiting,
    /// The number of the next job; the blobs of former rounds are still there.
    next: Arc<AtomicUsize>,
}

impl Jobs {
    /// Runs jobs one after another until none is left.
    async fn run(mut self, left: Arc<AtomicUsize>) -> Result<Vec<Duration>> {
        let mut took = Vec::new();
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let started = Instant::now();
            let number = u64::try_from(self.next.fetch_add(1, Ordering::Relaxed))?.to_be_bytes();
            self.blobs.store("ctx", number, self.sizes.input).await?;
            let (result, arrived) = oneshot::channel();
            self.waiting.lock().await.insert(number, result);
            self.nats.publish(SUBMIT, message(number, self.sizes.request)).await?;
            arrived.await?;
            self.blobs.load("res", number, self.sizes.output).await?;
            took.push(started.elapsed());
        }
        Ok(took)
    }
}
