//! Real sockets behind a proxy that cuts, stalls, delays, half-closes and trickles: every event arrives once and in
//! order, and every job has one terminal.

use std::net::SocketAddr;
use std::time::Duration;

use nuncio_shared::arcp::{Failure, FinalStatus, JobContext, JobHandle, Level, Reconnect, Submit, Update};
use nuncio_tests::proxy::{Plan, Proxy, Step};
use serde_json::{Value, json};

use super::client::Client;
use super::server::Server;
use super::support::{builder, within};

const SESSIONS: usize = 20;
const JOBS: usize = 10;
const EVENTS: u64 = 40;

/// Logs the numbers from 1 to its input.
async fn counts(to: u64, ctx: JobContext) -> Result<u64, Failure> {
    for number in 1..=to {
        ctx.log(Level::Debug, "a log line of ordinary length").field("number", number).await?;
    }
    Ok(to)
}

fn quick() -> Reconnect {
    Reconnect::default().first_pause(Duration::from_micros(1)).longest_pause(Duration::from_millis(1))
}

async fn serve() -> (Server, SocketAddr) {
    let server = builder().agent("counts", counts).build().unwrap();
    let listening = server.listen("127.0.0.1:0").await.unwrap();
    (server, listening.address())
}

async fn connect(proxy: &Proxy) -> Client {
    let builder = Client::builder(&proxy.url(), "tok-alice").unwrap();
    builder.reconnect(quick()).connect().await.unwrap()
}

async fn submit(client: &Client, events: u64) -> JobHandle {
    client.submit(&Submit::new("counts").input(&events)).await.unwrap()
}

/// Reads a job to its end: each event comes once and in order, and the job ends once.
async fn read_all(job: &mut JobHandle, events: u64) {
    let (mut expected, mut last) = (0, 0);
    while let Some(update) = job.try_next().await.unwrap() {
        let Update::Event(event) = update else { continue };
        assert!(event.seq > last, "{} comes after {last}", event.seq);
        last = event.seq;
        if event.kind.as_str() == "log" {
            expected += 1;
            assert_eq!(event.body.parse::<Value>().unwrap()["attributes"]["number"], expected);
        }
    }
    let outcome = job.outcome().await;
    assert_eq!(expected, events, "{outcome:?}");
    assert_eq!(outcome.unwrap().status, FinalStatus::Success);
}

/// Runs ten jobs in each of twenty sessions: each event comes once and in order, and each session and each job ends
/// once.
async fn work(server: &Server, proxy: &Proxy, events: u64) {
    let sessions = (0..SESSIONS).map(|_| async {
        let client = connect(proxy).await;
        let jobs = (0..JOBS).map(|_| async {
            let mut job = submit(&client, events).await;
            read_all(&mut job, events).await;
        });
        join(jobs).await;
        client
    });
    let _clients = join(sessions).await;
    let totals = server.stats().totals;
    assert_eq!((totals.sessions, totals.jobs), (SESSIONS as u64, (SESSIONS * JOBS) as u64));
    assert_eq!(totals.ended(FinalStatus::Success), (SESSIONS * JOBS) as u64);
}

#[test]
fn jobs_of_many_sessions_survive_a_cut_every_few_kilobytes() {
    within(async {
        let (server, address) = serve().await;
        let proxy = Proxy::start(address, |number| {
            // Each connection is cut at a different place within a frame; some are cut in the client's direction only.
            let bytes = 5_000 + number * 977 % 6_007;
            let cut = |bytes| vec![Step::Pass(bytes), Step::Cut];
            if number % 7 == 3 {
                Plan { up: cut(bytes / 5), ..Plan::default() }
            } else {
                Plan { down: cut(bytes), ..Plan::default() }
            }
        });
        work(&server, &proxy, EVENTS).await;
        assert!(proxy.cuts() >= SESSIONS, "{} connections were cut", proxy.cuts());
    });
}

#[test]
fn nothing_is_lost_while_the_server_cannot_read() {
    within(async {
        let (_server, address) = serve().await;
        // The upgrade, the hello and the first submit pass; acknowledgements and the second submit do not.
        let proxy = Proxy::start(address, |_| Plan { up: vec![Step::Pass(2_000), Step::Stall], ..Plan::default() });
        let client = connect(&proxy).await;
        let mut first = submit(&client, 2_000).await;
        read_all(&mut first, 2_000).await;
        // The stall occurs somewhere in the acknowledgements, or in this submit at the latest.
        let long = json!({"text": "x".repeat(4_000)});
        let second = async {
            let mut job = client.submit(&Submit::new("echo").input(&long)).await.unwrap();
            assert_eq!(job.collect(10_000).await.unwrap().json::<Value>().unwrap(), json!({ "echoed": long }));
        };
        let mut second = std::pin::pin!(second);
        assert!(futures_lite::future::poll_once(second.as_mut()).await.is_none(), "the server has not read the submit");
        proxy.release();
        second.await;
        assert_eq!(proxy.connections(), 1);
    });
}

#[test]
fn jobs_of_many_sessions_survive_a_server_that_stops_reading() {
    within(async {
        let (server, address) = serve().await;
        // Every connection stalls somewhere among its submits, until all of them do.
        let proxy = Proxy::start(address, |number| Plan {
            up: vec![Step::Pass(900 + number * 97), Step::Stall],
            ..Plan::default()
        });
        let release = async {
            while proxy.stalled() < SESSIONS {
                futures_lite::future::yield_now().await;
            }
            proxy.release();
        };
        futures_lite::future::zip(work(&server, &proxy, EVENTS), release).await;
        assert_eq!(proxy.connections(), SESSIONS, "a stalled connection is not lost");
    });
}

#[test]
fn jobs_of_many_sessions_survive_reading_byte_by_byte() {
    within(async {
        let (server, address) = serve().await;
        let trickle = vec![Step::Trickle(usize::MAX)];
        let proxy = Proxy::start(address, move |_| Plan { down: trickle.clone(), ..Plan::default() });
        work(&server, &proxy, 5).await;
        assert_eq!(proxy.connections(), SESSIONS);
    });
}

#[test]
fn a_half_closed_connection_is_resumed() {
    within(async {
        let (_server, address) = serve().await;
        let proxy = Proxy::start(address, |number| match number {
            0 => Plan { down: vec![Step::Pass(6_000), Step::HalfClose], ..Plan::default() },
            1 => Plan { up: vec![Step::Pass(1_200), Step::HalfClose], ..Plan::default() },
            _ => Plan::default(),
        });
        let client = connect(&proxy).await;
        let mut job = submit(&client, 2_000).await;
        read_all(&mut job, 2_000).await;
        assert!(client.welcome().unwrap().resumed);
    });
}

#[test]
fn late_answers_are_accepted() {
    within(async {
        let (_server, address) = serve().await;
        // The 101 response passes, but the welcome is held back until the hello is on its way.
        let down = vec![Step::Pass(150), Step::After(300), Step::Trickle(100)];
        let proxy = Proxy::start(address, move |_| Plan { down: down.clone(), ..Plan::default() });
        let client = connect(&proxy).await;
        let mut job = submit(&client, 50).await;
        read_all(&mut job, 50).await;
        assert_eq!(proxy.connections(), 1);
    });
}

/// Runs all futures at once.
async fn join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, done) in &mut futures {
            if done.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    futures.into_iter().filter_map(|(_, done)| done).collect()
}
