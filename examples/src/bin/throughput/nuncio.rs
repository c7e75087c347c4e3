//! Nuncio's side: a server and a client, connected by a real socket.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nuncio_tokio::arcp::journal::SqliteJournal;
use nuncio_tokio::arcp::{
    Client, Failure, FinalStatus, JobContext, Level, Listening, Server, Shutdown, Submit, Update,
};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};

use crate::recorded::Frames;
use crate::{Flags, IN_FLIGHT, Round, middle};

pub(crate) struct Nuncio {
    server: Server,
    listening: Listening,
    client: Client,
}

/// The message of each event.
const LINE: &str = "a line of a log as agents write them, long enough to be typical of what they have to say";

async fn flood(events: u64, ctx: JobContext) -> Result<(), Failure> {
    for _ in 0..events {
        ctx.log(Level::Debug, LINE).await?;
    }
    Ok(())
}

async fn echo(input: Value, _: JobContext) -> Result<Value, Failure> {
    Ok(json!({ "echoed": input }))
}

impl Nuncio {
    pub(crate) async fn start(journal: Option<SqliteJournal>) -> Result<Nuncio, Box<dyn Error>> {
        let tokens = StaticTokens::new().with("secret", "me@example.com");
        let mut builder = Server::builder().verifier(tokens).agent("flood", flood).agent("echo", echo);
        if let Some(journal) = journal {
            builder = builder.journal(journal);
        }
        let server = builder.build()?;
        let listening = server.listen("127.0.0.1:0").await?;
        let client = Client::builder(listening.url(), "secret")?.connect().await?;
        Ok(Nuncio { server, listening, client })
    }

    /// Records the frames of a conversation.
    pub(crate) async fn record(&self) -> Result<Frames, Box<dyn Error>> {
        let url = self.listening.url().to_owned();
        let recorded = tokio::task::spawn_blocking(move || Frames::record(&url)).await?;
        Ok(recorded.map_err(|error| error.to_string())?)
    }

    pub(crate) async fn round(&self, flags: &Flags) -> Result<Round, Box<dyn Error + Send + Sync>> {
        Ok(Round {
            events: self.events(flags.events).await?,
            echo: self.one_by_one(flags.echoes).await?,
            echoes: self.in_flight(flags.echoes).await?,
        })
    }

    pub(crate) async fn stop(self) {
        self.client.close().await;
        assert_eq!(self.server.shutdown(Duration::from_secs(1)).await, Shutdown::Drained);
    }

    async fn events(&self, count: u64) -> Result<Duration, Box<dyn Error + Send + Sync>> {
        let started = Instant::now();
        let mut job = self.client.submit(&Submit::new("flood").input(&count)).await?;
        let mut logs = 0;
        while let Some(update) = job.try_next().await? {
            let Update::Event(event) = update else { continue };
            logs += u64::from(event.kind.as_str() == "log");
        }
        let took = started.elapsed();
        assert_eq!((logs, job.outcome().await?.status), (count, FinalStatus::Success));
        Ok(took)
    }

    async fn one_by_one(&self, count: u64) -> Result<Duration, Box<dyn Error + Send + Sync>> {
        let mut took = Vec::new();
        for number in 0..count {
            let started = Instant::now();
            run(&self.client, number).await?;
            took.push(started.elapsed());
        }
        Ok(middle(took))
    }

    async fn in_flight(&self, count: u64) -> Result<Duration, Box<dyn Error + Send + Sync>> {
        let next = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let workers: Vec<_> = (0..IN_FLIGHT)
            .map(|_| {
                let (client, next) = (self.client.clone(), Arc::clone(&next));
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
        Ok(started.elapsed())
    }
}

/// Runs one echo job.
async fn run(client: &Client, number: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut job = client.submit(&Submit::new("echo").input(&number)).await?;
    let answer: Value = job.collect(0).await?.json()?;
    assert_eq!(answer["echoed"], number);
    Ok(())
}
