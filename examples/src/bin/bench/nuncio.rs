//! Nuncio's side: a server and a client, on either driver.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nuncio_examples::bench::answer;
use nuncio_shared::arcp::journal::{SqliteJournal, SqliteOptions, Sync};
use nuncio_shared::arcp::{
    Client, Config, Failure, FinalStatus, JobContext, Level, ListenOptions, Output, Server, Submit, Subscribe, Update,
};
use nuncio_shared::auth::{Authorities, ClientTls, Identity, ServerTls, StaticTokens};
use nuncio_shared::io::Driver;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::Result;
use crate::raw::TOKEN;

/// Jobs at a time, and events in a flush of the floor.
pub(crate) const IN_FLIGHT: u64 = 64;
/// Sessions that watch one job.
pub(crate) const WATCHERS: u64 = 100;

/// More than are measured.
const SESSIONS: usize = 20_000;

/// The message of each event, which makes frames of about 300 bytes.
const LINE: &str = "a line of a log as agents write them, long enough to be typical of what they have to say";
const MIB: usize = 1 << 20;

async fn flood(events: u64, ctx: JobContext) -> std::result::Result<(), Failure> {
    for _ in 0..events {
        ctx.log(Level::Debug, LINE).await?;
    }
    Ok(())
}

async fn echo(input: Value, ctx: JobContext) -> std::result::Result<Value, Failure> {
    ctx.log(Level::Info, "echo started").await?;
    Ok(json!({ "echoed": input }))
}

async fn stream(mib: usize, ctx: JobContext) -> std::result::Result<Output, Failure> {
    let piece = "a result ".repeat(MIB).split_off(8 * MIB);
    let mut writer = ctx.writer();
    for _ in 0..mib {
        writer.write_text(&piece).await?;
    }
    writer.finish().await?;
    Ok(Output::streamed("a long text"))
}

/// The names of a certificate and its key in a folder.
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// Writes a certificate for this machine and its key into a folder.
pub(crate) fn write_certificate(folder: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    fs::write(folder.join(CERTIFICATE), made.cert.pem())?;
    Ok(fs::write(folder.join(KEY), made.signing_key.serialize_pem())?)
}

/// Serves until the parent has ended. A journal is a file and whether it survives a power failure.
pub(crate) async fn serve<D: Driver>(journal: Option<(&Path, bool)>, tls: Option<&Path>) -> Result<()> {
    nuncio_shared::io::raise_descriptor_limit()?;
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let watched = move |events: u64, ctx: JobContext| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            flood(events, ctx).await
        }
    };
    let open = move |(): (), _: JobContext| {
        opened.notify_one();
        std::future::ready(Ok::<_, Failure>(()))
    };
    let config = Config::default().with(|config| {
        config.limits.connections = SESSIONS;
        config.limits.sessions = SESSIONS;
        config.limits.sessions_per_principal = SESSIONS;
    });
    let builder = Server::<D>::builder().config(config).verifier(StaticTokens::new().with(TOKEN, "alice"));
    let builder = builder.nonblocking_agent("flood", flood).nonblocking_agent("echo", echo);
    let builder = builder.nonblocking_agent("stream", stream).nonblocking_agent("watched", watched);
    let mut builder = builder.nonblocking_agent("open", open);
    if let Some((file, full)) = journal {
        let sync = if full { Sync::Full } else { Sync::Normal };
        builder = builder.journal(SqliteJournal::open(file, SqliteOptions { sync, ..SqliteOptions::default() })?);
    }
    let server = builder.build()?;
    let mut options = ListenOptions::default();
    if let Some(folder) = tls {
        let identity = Identity::from_files(folder.join(CERTIFICATE), folder.join(KEY))?;
        options.tls = Some(ServerTls::new(identity)?);
    }
    let listening = server.listen_with("127.0.0.1:0", options).await?;
    answer(async |_| Ok(listening.url().to_owned())).await
}

/// Measures what each line asks for.
pub(crate) async fn drive<D: Driver>(url: &str, tls: Option<&Path>) -> Result<()> {
    let to = Place { url, tls };
    let client = to.connect::<D>().await?;
    answer(async |line| {
        let (what, amount) = line.split_once(' ').ok_or("a line has two words")?;
        let amount: u64 = amount.parse()?;
        match what {
            "events" => events(&client, amount).await,
            "echo" => one_by_one(&client, amount).await,
            "flight" => in_flight(&client, amount).await,
            "watch" => watch(&client, &to, amount).await,
            "stream" => streamed(&client, amount).await,
            _ => Err(format!("Nuncio cannot measure {what}").into()),
        }
    })
    .await
}

/// Where a server is, and the folder of its certificate.
struct Place<'a> {
    url: &'a str,
    tls: Option<&'a Path>,
}

impl Place<'_> {
    async fn connect<D: Driver>(&self) -> Result<Client<D>> {
        let mut builder = Client::<D>::builder(self.url, TOKEN)?;
        if let Some(folder) = self.tls {
            builder = builder.tls(ClientTls::new(Authorities::from_file(folder.join(CERTIFICATE))?)?);
        }
        Ok(builder.connect().await?)
    }
}

/// Returns how many there are in a second.
#[expect(clippy::cast_precision_loss, reason = "the counts are small enough to be exact")]
pub(crate) fn rate(count: u64, took: Duration) -> String {
    (count as f64 / took.as_secs_f64()).to_string()
}

/// Returns the median and the 99th percentile in microseconds.
pub(crate) fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort();
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default().as_secs_f64() * 1e6;
    format!("{} {}", at(50), at(99))
}

async fn events<D: Driver>(client: &Client<D>, count: u64) -> Result<String> {
    let started = Instant::now();
    let mut job = client.submit(&Submit::new("flood").input(&count)).await?;
    let mut logs = 0;
    while let Some(update) = job.try_next().await? {
        let Update::Event(event) = update else { continue };
        logs += u64::from(event.kind.as_str() == "log");
    }
    let took = started.elapsed();
    assert_eq!((logs, job.outcome().await?.status), (count, FinalStatus::Success));
    Ok(rate(count, took))
}

async fn one_by_one<D: Driver>(client: &Client<D>, count: u64) -> Result<String> {
    let mut took = Vec::new();
    for number in 0..count {
        let started = Instant::now();
        run(client, number).await?;
        took.push(started.elapsed());
    }
    Ok(percentiles(took))
}

async fn in_flight<D: Driver>(client: &Client<D>, count: u64) -> Result<String> {
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let workers: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let (client, next) = (client.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<(), String>(());
                    }
                    run(&client, number).await.map_err(|error| error.to_string())?;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    Ok(rate(count, started.elapsed()))
}

/// Runs one echo job.
async fn run<D: Driver>(client: &Client<D>, number: u64) -> Result<()> {
    let mut job = client.submit(&Submit::new("echo").input(&number)).await?;
    let answer: Value = job.collect(0).await?.json()?;
    assert_eq!(answer["echoed"], number);
    Ok(())
}

/// Lets many sessions watch one job, each event of which goes to all of them.
async fn watch<D: Driver>(owner: &Client<D>, to: &Place<'_>, each: u64) -> Result<String> {
    let job = owner.submit(&Submit::new("watched").input(&each)).await?;
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        let client = to.connect::<D>().await?;
        let mut watched = client.subscribe(job.job_id(), Subscribe::default()).await?;
        watchers.push(tokio::spawn(async move {
            let mut logs = 0;
            while let Some(update) = watched.try_next().await.map_err(|error| error.to_string())? {
                let Update::Event(event) = update else { continue };
                logs += u64::from(event.kind.as_str() == "log");
            }
            client.close().await;
            Ok::<u64, String>(logs)
        }));
    }
    let started = Instant::now();
    owner.submit(&Submit::new("open")).await?.collect(0).await?;
    for watcher in watchers {
        assert_eq!(watcher.await??, each, "each watcher receives every event");
    }
    Ok(rate(WATCHERS * each, started.elapsed()))
}

/// Reads a streamed result without keeping it. Returns MB per second.
async fn streamed<D: Driver>(client: &Client<D>, mib: u64) -> Result<String> {
    let started = Instant::now();
    let mut job = client.submit(&Submit::new("stream").input(&mib)).await?;
    let mut bytes = 0;
    while let Some(chunk) = job.chunks().try_next().await? {
        bytes += chunk.data.len() as u64;
    }
    let took = started.elapsed();
    assert_eq!((bytes, job.outcome().await?.status), (mib << 20, FinalStatus::Success));
    Ok(rate(bytes, took * 1_000_000))
}
