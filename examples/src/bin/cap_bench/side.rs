//! The processes of one side, and what its client measures.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_lite::StreamExt as _;
use nuncio_examples::bench::{Talker, median, per_second};

use crate::servers::{Folder, Nats, Redis};
use crate::{Flags, IN_FLIGHT};

/// Servers, a worker, a router and a client.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// Whether it reads none of its messages.
    pub(crate) is_floor: bool,
    client: Talker,
    // The others end after the client, then the servers.
    _others: Vec<Talker>,
    nats: Nats,
    redis: Option<Redis>,
    _folder: Folder,
}

/// What a client has measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    /// Jobs per second with [`IN_FLIGHT`] in flight.
    pub(crate) many: f64,
    /// Jobs per second, one after another.
    pub(crate) single: f64,
    /// The median time of one of these, in microseconds.
    pub(crate) p50: f64,
}

impl Round {
    pub(crate) fn median(rounds: &[Round]) -> Round {
        let middle = |value: fn(&Round) -> f64| median(rounds.iter().map(value));
        Round { many: middle(|round| round.many), single: middle(|round| round.single), p50: middle(|round| round.p50) }
    }
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

impl Side {
    /// Our worker, router and client.
    pub(crate) fn nuncio(flags: &Flags) -> Result<Side> {
        let (folder, nats, redis) = (Folder::with_keys()?, Nats::start(flags)?, Redis::start()?);
        let place = |process| place(process, &nats, Some(&redis), (!flags.unsigned).then_some(&folder));
        let others = vec![Talker::start(place("router")?)?, Talker::start(place("worker")?)?];
        let client = Talker::start(place("client")?)?;
        Ok(Side { name: "nuncio", is_floor: false, client, _others: others, nats, redis: Some(redis), _folder: folder })
    }

    /// async-nats, alone or with Redis.
    pub(crate) fn floor(flags: &Flags, sizes: [usize; 4], with_redis: bool) -> Result<Side> {
        let (folder, nats) = (Folder::with_keys()?, Nats::start(flags)?);
        let redis = if with_redis { Some(Redis::start()?) } else { None };
        let place = |process| {
            let mut command = place(process, &nats, redis.as_ref(), None)?;
            command.arg("--sizes").args(sizes.map(|size| size.to_string()));
            Ok::<_, Box<dyn Error + Send + Sync>>(command)
        };
        let others = vec![Talker::start(place("floor-router")?)?, Talker::start(place("floor-worker")?)?];
        let client = Talker::start(place("floor-client")?)?;
        let name = if with_redis { "nats+redis" } else { "nats" };
        Ok(Side { name, is_floor: true, client, _others: others, nats, redis, _folder: folder })
    }

    /// The worker and the client of the Python SDK, and our router.
    pub(crate) fn python(flags: &Flags, python: &Path) -> Result<Side> {
        let (folder, nats, redis) = (Folder::with_keys()?, Nats::start(flags)?, Redis::start()?);
        let keys = (!flags.unsigned).then_some(&folder);
        let script = |process: &str| {
            let mut command = Command::new(python);
            command.args(["-c", PEER, process, &nats.url(), &redis.url()]).args(keys.map(Folder::path));
            command
        };
        let router = place("router", &nats, Some(&redis), keys)?;
        let others = vec![Talker::start(router)?, Talker::start(script("worker"))?];
        let client = Talker::start(script("client"))?;
        Ok(Side { name: "python", is_floor: false, client, _others: others, nats, redis: Some(redis), _folder: folder })
    }

    /// Runs some jobs one after another, then some with [`IN_FLIGHT`] in flight.
    pub(crate) fn round(&mut self, single: usize, many: usize) -> Result<Round> {
        let line = self.client.ask(&format!("{single} {many} {IN_FLIGHT}"))?;
        let mut numbers = line.split_whitespace().map(str::parse::<f64>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(many)), Some(Ok(single)), Some(Ok(p50))) => Ok(Round { many, single, p50 }),
            _ => Err(format!("the client of {} has failed: {line:?}", self.name).into()),
        }
    }

    /// Runs a job, and returns the lengths of the packets of its request and its result, and of the blobs of its input and its
    /// result.
    pub(crate) async fn sizes(&mut self) -> Result<[usize; 4]> {
        let nats = async_nats::connect(self.nats.url()).await?;
        let (mut requests, mut results) =
            (nats.subscribe("sys.job.submit").await?, nats.subscribe("sys.job.result").await?);
        nats.flush().await?;
        self.round(1, 1)?;
        let request = requests.next().await.ok_or("the connection has ended")?;
        let result = results.next().await.ok_or("the connection has ended")?;
        let redis = self.redis.as_ref().ok_or("the side has no Redis")?;
        let mut redis = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
        let [mut input, mut output] = [0, 0];
        for key in redis::cmd("KEYS").arg("*").query_async::<Vec<String>>(&mut redis).await? {
            let length = redis::cmd("STRLEN").arg(&key).query_async(&mut redis).await?;
            *(if key.starts_with("ctx:") { &mut input } else { &mut output }) = length;
        }
        Ok([request.payload.len(), result.payload.len(), input, output])
    }
}

/// The worker and the client that use the Python SDK.
const PEER: &str = include_str!("peer.py");

/// Returns the command that runs this program as one of its processes.
fn place(process: &str, nats: &Nats, redis: Option<&Redis>, keys: Option<&Folder>) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([process, &nats.url(), &redis.map(Redis::url).unwrap_or_default()]);
    command.args(keys.map(Folder::path));
    Ok(command)
}

/// The other end of a [`Talker`]: says that it is ready, and measures what it is asked to.
///
/// `run` runs a number of jobs with a number of them in flight, and returns the times that they took.
pub(crate) async fn answer(mut run: impl AsyncFnMut(usize, usize) -> Result<Vec<Duration>>) -> Result<()> {
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line?;
        let numbers: Vec<usize> = line.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?;
        let [single, many, in_flight] = numbers[..] else { return Err(format!("three numbers, not {line:?}").into()) };
        let started = Instant::now();
        let mut took = run(single, 1).await?;
        let single = per_second(single, started.elapsed());
        took.sort();
        let p50 = took.get(took.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6;
        let started = Instant::now();
        run(many, in_flight).await?;
        println!("{} {single} {p50}", per_second(many, started.elapsed()));
    }
    Ok(())
}
