//! Several shards: a principal's sessions and jobs are in one of them, whichever connection they come by.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use nuncio_core::arcp::shard_of;
use nuncio_shared::arcp::journal::{
    Journal, JournalError, MemoryJournal, Record, ReplayRange, Replayed, Shard, SqliteJournal, SqliteOptions,
};
use nuncio_shared::arcp::{
    Body, BuildError, ClientOptions, Config, Failure, FinalStatus, JobContext, ListQuery, OnRestart, Reconnect,
    Shutdown, Submit, Transport,
};
use nuncio_shared::auth::{Claim, Rejection};
use nuncio_tests::temp_dir::TempDir;
use serde_json::Value;
use smol::net::TcpStream;

use super::client::Client;
use super::server::{Server, ServerBuilder};
use super::support::{connect, cut_websocket, numbers, within};

pub(super) const SHARDS: u32 = 4;

/// Principals of which every shard has two.
const PRINCIPALS: usize = 2 * SHARDS as usize;

/// A principal of a shard.
pub(super) fn principal(shard: u32, number: usize) -> String {
    let mut of_shard = (0..).map(|number| format!("user-{number}")).filter(|name| shard_of(name, SHARDS) == shard);
    of_shard.nth(number).unwrap()
}

pub(super) fn principals() -> impl Iterator<Item = String> {
    (0..2).flat_map(|number| (0..SHARDS).map(move |shard| principal(shard, number)))
}

/// The token is the principal.
async fn verify(claim: Claim) -> Result<String, Rejection> {
    match claim.token.expose() {
        "wrong" => Err(Rejection::Invalid),
        token => Ok(token.to_owned()),
    }
}

fn builder() -> ServerBuilder {
    let echo = async |input: Value, ctx: JobContext| {
        ctx.emit(&Body::log("info", "echo started", None)).await?;
        Ok::<_, Failure>(input)
    };
    Server::builder().verifier(verify).agent("echo", move |input, ctx| Box::pin(echo(input, ctx))).shards(SHARDS)
}

pub(super) fn quick() -> Reconnect {
    Reconnect::default().first_pause(Duration::from_micros(1)).longest_pause(Duration::from_millis(1))
}

async fn runs_job(client: &Client) -> String {
    let mut job = client.submit(&Submit::new("echo").input(&7)).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = job.events().try_next().await.unwrap() {
        events.push(event.kind.as_str().to_owned());
    }
    assert_eq!(events, ["status", "log"]);
    assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
    job.job_id().to_string()
}

#[test]
fn every_principal_finds_its_jobs_by_every_connection() {
    within(async {
        let server = builder().build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        for name in principals() {
            let socket = Client::builder(listening.url(), &name).unwrap().connect().await.unwrap();
            let memory = connect(&server, &name).await;
            let jobs = [runs_job(&socket).await, runs_job(&memory).await];
            for client in [&socket, &memory] {
                let listed = client.list(&ListQuery::default()).await.unwrap();
                let listed: Vec<_> = listed.jobs.iter().map(|row| row.job_id.as_str()).collect();
                assert_eq!(listed, jobs, "{name} sees its own jobs, and those of no one else");
            }
        }
        let stats = server.stats();
        assert_eq!(stats.jobs_kept, 2 * PRINCIPALS);
        assert_eq!(stats.totals.jobs, 2 * PRINCIPALS as u64);
        let agents = server.agent_stats();
        assert_eq!((agents.len(), agents[0].counts.jobs), (1, 2 * PRINCIPALS as u64));
        assert!(server.responds().await);
    });
}

#[test]
fn a_wrong_token_is_refused_and_what_it_leaves_is_nothing() {
    within(async {
        let server = builder().build().unwrap();
        let refused = Client::over(server.memory_connector(), "wrong").connect().await;
        assert!(refused.is_err());
        connect(&server, "user-1").await.close().await;
        assert_eq!(server.shutdown(Duration::from_mins(1)).await, Shutdown::Drained);
        assert_eq!(server.stats().connections, 0);
    });
}

/// A session is resumed where it is, by connections that begin elsewhere.
#[test]
fn repeated_cuts_lose_and_repeat_nothing() {
    const EVENTS: u64 = 1_000;
    within(async {
        let floods = async |_: Value, ctx: JobContext| {
            for number in 0..EVENTS {
                ctx.emit(&Body::metric("n", &number.into(), None, None)?).await?;
            }
            Ok::<_, Failure>(EVENTS)
        };
        let server = builder().agent("floods", move |input, ctx| Box::pin(floods(input, ctx))).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        for shard in 0..SHARDS {
            let url = listening.url().to_owned();
            let connections = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&connections);
            let connector = move || {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                cut_websocket(url.clone(), 20_000 + 7_919 * (number % 5))
            };
            let client = Client::over(connector, principal(shard, 0)).reconnect(quick()).connect().await.unwrap();
            let mut job = client.submit(&Submit::new("floods")).await.unwrap();
            assert_eq!(numbers(&mut job).await, EVENTS);
            assert!(connections.load(Ordering::SeqCst) > 5, "{connections:?}");
        }
    });
}

/// §7.5: the limit of an agent holds for all shards together, and nobody waits without end.
#[test]
fn an_agent_runs_no_more_jobs_at_once_than_it_may() {
    within(async {
        let running = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let counted = Arc::clone(&running);
        let works = move |_: Value, _: JobContext| {
            let counted = Arc::clone(&counted);
            async move {
                let now = counted.0.fetch_add(1, Ordering::SeqCst) + 1;
                counted.1.fetch_max(now, Ordering::SeqCst);
                smol::future::yield_now().await;
                counted.0.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        };
        let server = builder().agent("narrow", works).max_concurrent("narrow", 2).build().unwrap();
        let mut clients = Vec::new();
        let mut jobs = Vec::new();
        for name in principals() {
            let client = connect(&server, &name).await;
            for _ in 0..5 {
                jobs.push(client.submit(&Submit::new("narrow")).await.unwrap());
            }
            clients.push(client);
        }
        for job in &mut jobs {
            assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        }
        assert!((1..=2).contains(&running.1.load(Ordering::SeqCst)), "{running:?}");
    });
}

#[test]
fn a_journal_for_each_shard_brings_everything_back() {
    within(async {
        let directory = TempDir::new();
        let journals = || {
            (0..SHARDS).map(|shard| {
                SqliteJournal::open(directory.file(&format!("journal-{shard}")), SqliteOptions::default()).unwrap()
            })
        };
        let build = |ends: bool| {
            let again = move |_: Value, ctx: JobContext| async move {
                if !ends {
                    std::future::pending::<()>().await;
                }
                Ok(ctx.restarts())
            };
            let server = builder().agent("again", again).on_restart("again", OnRestart::Rerun);
            server.max_concurrent("again", 2 * SHARDS - 1).journals(journals()).build().unwrap()
        };
        let server = build(false);
        let mut submitted = Vec::new();
        for name in principals() {
            let client = connect(&server, &name).await;
            let submit = Submit::new("again").idempotency_key("once");
            submitted.push((client.submit(&submit).await.unwrap().job_id().to_string(), name));
        }
        // The last one waits for a slot, and nothing ends.
        assert_eq!(server.shutdown(Duration::ZERO).await, Shutdown::Aborted);
        assert_eq!(server.restored().map(|restored| restored.last_store), Some(0));
        drop(server);

        let server = build(true);
        let restored = server.restored().unwrap();
        assert_eq!((restored.rerun + restored.waiting, restored.interrupted), (PRINCIPALS as u64, 0), "{restored:?}");
        for (job, name) in submitted {
            let client = connect(&server, &name).await;
            let mut handle = client.submit(&Submit::new("again").idempotency_key("once")).await.unwrap();
            assert_eq!(handle.job_id().to_string(), job, "{name} is answered by the job of the first submit");
            assert_eq!(handle.outcome().await.unwrap().status, FinalStatus::Success);
        }
        let health = server.journal_health().unwrap();
        assert!(health.bytes.is_some() && health.commits.count() > 0 && health.failing_for.is_none());
    });
}

fn refusal(journals: Vec<MemoryJournal>, shards: u32) -> JournalError {
    match builder().shards(shards).journals(journals).build() {
        Err(BuildError::Journal(error)) => error,
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn journals_of_other_shards_are_refused() {
    within(async {
        let journals: Vec<_> = (0..SHARDS).map(|_| MemoryJournal::new()).collect();
        let server = builder().journals(journals.clone()).build().unwrap();
        runs_job(&connect(&server, &principal(1, 0)).await).await;
        assert_eq!(server.shutdown(Duration::from_mins(1)).await, Shutdown::Drained);
        drop(server);
        let copies = || journals.iter().map(MemoryJournal::snapshot).collect::<Vec<_>>();

        let refused = refusal(copies()[..2].to_vec(), 2);
        let wanted = Shard { number: 0, of: 2 };
        assert!(
            matches!(refused, JournalError::OtherShard { found: Shard { number: 0, of: SHARDS }, wanted: to } if to == wanted),
            "{refused:?}"
        );
        let mut turned = copies();
        turned.swap(1, 2);
        assert!(matches!(refusal(turned, SHARDS), JournalError::OtherShard { .. }));
        assert!(matches!(refusal(copies()[1..2].to_vec(), 1), JournalError::OtherShard { .. }));
        let mut lost = copies();
        lost[2] = MemoryJournal::new();
        // The new one is not marked, so that the next start refuses them as well.
        for _ in 0..2 {
            let refused = refusal(lost.clone(), SHARDS);
            assert!(matches!(refused, JournalError::NewShard(Shard { number: 2, of: SHARDS })), "{refused:?}");
        }
        // And those of a server without shards.
        let single = MemoryJournal::new();
        let server = builder().shards(1).journal(single.clone()).build().unwrap();
        runs_job(&connect(&server, "user-1").await).await;
        assert_eq!(server.shutdown(Duration::from_mins(1)).await, Shutdown::Drained);
        let mut mixed: Vec<_> = (0..SHARDS).map(|_| MemoryJournal::new()).collect();
        mixed[0] = single;
        assert!(matches!(refusal(mixed, SHARDS), JournalError::OtherShard { found: Shard::ONLY, .. }));

        let too_few = builder().journals([MemoryJournal::new()]).build();
        assert!(matches!(too_few, Err(BuildError::Journals { journals: 1, shards: SHARDS })));
        builder().journals(copies()).build().unwrap();
    });
}

#[test]
fn files_of_other_shards_are_refused() {
    within(async {
        let directory = TempDir::new();
        let open = |name: &str| SqliteJournal::open(directory.file(name), SqliteOptions::default()).unwrap();
        let first = builder().shards(2).journals([open("a"), open("b")]).build().unwrap();
        assert_eq!(first.shutdown(Duration::from_mins(1)).await, Shutdown::Drained);
        let turned = builder().shards(2).journals([open("b"), open("a")]).build();
        assert!(matches!(turned, Err(BuildError::Journal(JournalError::OtherShard { .. }))), "{:?}", turned.err());
        let alone = builder().shards(1).journal(open("a")).build();
        assert!(matches!(alone, Err(BuildError::Journal(JournalError::OtherShard { .. }))), "{:?}", alone.err());
        // A file of a server without shards becomes one of several while it has no records.
        let alone = builder().shards(1).journal(open("c")).build().unwrap();
        assert_eq!(alone.shutdown(Duration::from_mins(1)).await, Shutdown::Drained);
        let both = builder().shards(2).journals([open("c"), open("d")]).build().unwrap();
        runs_job(&connect(&both, "user-1").await).await;
        assert_eq!(both.shutdown(Duration::from_mins(1)).await, Shutdown::Drained);
    });
}

/// A journal that knows nothing of shards.
struct Plain(MemoryJournal);

impl Journal for Plain {
    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
        self.0.load(each)
    }

    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
        self.0.commit(records)
    }

    fn replay(&mut self, range: &ReplayRange, max_events: usize, max_bytes: usize) -> Result<Replayed, JournalError> {
        self.0.replay(range, max_events, max_bytes)
    }
}

#[test]
fn a_journal_that_knows_nothing_of_shards_is_the_only_one() {
    within(async {
        let several = builder().shards(2).journals([Plain(MemoryJournal::new()), Plain(MemoryJournal::new())]).build();
        assert!(matches!(several, Err(BuildError::Journal(JournalError::Io(_)))), "{:?}", several.err());
        let server = builder().shards(1).journal(Plain(MemoryJournal::new())).build().unwrap();
        runs_job(&connect(&server, "user-1").await).await;
    });
}

/// Agents that do not block run on the thread that carries the connections of their principal.
#[test]
fn a_connection_is_carried_by_the_thread_of_its_shard() {
    within(async {
        let (sender, threads) = smol::channel::unbounded::<ThreadId>();
        let tells = move |_: Value, _: JobContext| {
            let sender = sender.clone();
            async move {
                sender.send(thread::current().id()).await.unwrap();
                Ok(())
            }
        };
        let server = builder().nonblocking_agent("tells", tells).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let mut seen = BTreeSet::new();
        for name in principals() {
            let client = Client::builder(listening.url(), &name).unwrap().connect().await.unwrap();
            client.submit(&Submit::new("tells")).await.unwrap().outcome().await.unwrap();
            seen.insert(format!("{:?}", threads.recv().await.unwrap()));
        }
        assert_eq!(seen.len(), SHARDS as usize);
    });
}

#[test]
fn a_shutdown_waits_for_the_jobs_of_every_shard() {
    within(async {
        let (sender, release) = smol::channel::unbounded::<()>();
        let waits = move |_: Value, _: JobContext| {
            let release = release.clone();
            async move {
                release.recv().await.unwrap();
                Ok(())
            }
        };
        let server = builder().agent("waits", waits).build().unwrap();
        let mut jobs = Vec::new();
        let mut clients = Vec::new();
        for name in principals() {
            let client = connect(&server, &name).await;
            jobs.push(client.submit(&Submit::new("waits")).await.unwrap());
            clients.push(client);
        }
        let stopping = server.clone();
        let shutdown = smol::spawn(async move { stopping.shutdown(Duration::from_mins(1)).await });
        for _ in &jobs {
            sender.send(()).await.unwrap();
        }
        for job in &mut jobs {
            assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        }
        assert_eq!(shutdown.await, Shutdown::Drained);
        let late = Client::over(server.memory_connector(), "user-1").reconnect(quick()).connect();
        assert!(late.await.is_err());
    });
}

/// A peer that is gone before its hello is answered leaves nothing in any shard.
#[test]
fn a_peer_that_leaves_on_the_way_is_forgotten() {
    within(async {
        let (sender, asked) = smol::channel::unbounded::<smol::channel::Sender<()>>();
        let slow = move |claim: Claim| {
            let sender = sender.clone();
            async move {
                let (answer, waits) = smol::channel::bounded(1);
                sender.send(answer).await.unwrap();
                waits.recv().await.unwrap();
                Ok::<_, Rejection>(claim.token.expose().to_owned())
            }
        };
        let mut config = Config::default();
        config.linger = Duration::from_millis(1);
        let server = builder().verifier(slow).config(config).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        for shard in 0..SHARDS {
            let url = listening.url().to_owned();
            let (socket, sockets) = smol::channel::unbounded::<TcpStream>();
            let connector = move || {
                let (url, socket) = (url.clone(), socket.clone());
                async move {
                    let options = ClientOptions::new(&url).map_err(io::Error::other)?;
                    let stream = TcpStream::connect((options.host(), options.port())).await?;
                    socket.send(stream.clone()).await.map_err(io::Error::other)?;
                    Ok(Transport::websocket(Box::pin(stream), options))
                }
            };
            let connecting = smol::spawn(Client::over(connector, principal(shard, 0)).connect());
            let answer = asked.recv().await.unwrap();
            sockets.recv().await.unwrap().shutdown(std::net::Shutdown::Both).unwrap();
            drop(connecting.cancel().await);
            answer.send(()).await.unwrap();
        }
        // Whoever is let in afterwards is not disturbed, and the others are gone once the server has noticed.
        let last = smol::spawn(Client::over(server.memory_connector(), "user-1").connect());
        asked.recv().await.unwrap().send(()).await.unwrap();
        let last = last.await.unwrap();
        while server.stats().connections > 1 {
            smol::future::yield_now().await;
        }
        last.close().await;
    });
}
