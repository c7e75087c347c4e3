//! The coordinator, and our client.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use nuncio_examples::bench::{answer, per_second};
use nuncio_examples::caracal::LocalCoordinator;
use nuncio_tokio::caracal::{Caracal, NewEdge, Ttl, current};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The application of all clients.
pub(crate) const APPLICATION: &str = "bench";

/// Calls between two looks at the clock.
pub(crate) const BATCH: usize = 256;

/// Serves a coordinator, and answers each line with its URL and a token.
pub(crate) async fn coordinator() -> Result<()> {
    let coordinator = LocalCoordinator::start(&[APPLICATION]).await.map_err(|error| error.to_string())?;
    let token = coordinator.token(APPLICATION, "agent:lifecycle").await?;
    let place = format!("{} {token}", coordinator.url());
    answer(async |_| Ok(place.clone())).await
}

/// Measures what each line asks for: milliseconds, sessions, how many at a time, and sessions one after another.
pub(crate) async fn client() -> Result<()> {
    let caracal = Caracal::from_env()?;
    answer(async |line| {
        let [millis, many, at_a_time, single] = numbers(&line)?;
        let (made, read) = headers(&caracal, Duration::from_millis(u64::try_from(millis)?)).await?;
        let started = Instant::now();
        sessions(&caracal, many, at_a_time).await?;
        let many = per_second(many, started.elapsed());
        let started = Instant::now();
        sessions(&caracal, single, 1).await?;
        Ok(format!("{made} {read} {many} {}", per_second(single, started.elapsed())))
    })
    .await
}

/// Returns the numbers of a line.
pub(crate) fn numbers(line: &str) -> Result<[usize; 4]> {
    let numbers: Vec<usize> = line.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?;
    numbers.try_into().map_err(|_| "four numbers are needed".into())
}

/// Returns the headers of a call in a session with an edge.
pub(crate) async fn sample() -> Result<HeaderMap> {
    let caracal = Caracal::from_env()?;
    let source = caracal.spawn().await?;
    source
        .run(async {
            caracal.delegate_to_spawn(edge()).await?.run(async { Ok(caracal.headers().await?.into()) }).await
        })
        .await
}

fn edge() -> NewEdge {
    NewEdge { scopes: vec!["read".into()], ttl: Ttl::from_secs(600), ..NewEdge::default() }
}

/// Makes the headers of a session with an edge, and reads them, for some time each. Returns how many per second.
async fn headers(caracal: &Caracal, time: Duration) -> Result<(f64, f64)> {
    let source = caracal.spawn().await?;
    let work = source.run(async {
        let child = caracal.delegate_to_spawn(edge()).await?;
        child
            .run(async {
                let (started, mut count) = (Instant::now(), 0);
                while started.elapsed() < time {
                    for _ in 0..BATCH {
                        black_box(caracal.headers().await?);
                    }
                    count += BATCH;
                }
                let made = per_second(count, started.elapsed());
                let headers = HeaderMap::from(caracal.headers().await?);
                let (started, mut count) = (Instant::now(), 0);
                while started.elapsed() < time {
                    for _ in 0..BATCH {
                        let context = caracal.bind_from_headers(black_box(&headers))?;
                        black_box(context.call(current));
                    }
                    count += BATCH;
                }
                Ok((made, per_second(count, started.elapsed())))
            })
            .await
    });
    work.await
}

/// Opens sessions and terminates each at once.
async fn sessions(caracal: &Caracal, count: usize, at_a_time: usize) -> Result<()> {
    let left = Arc::new(AtomicUsize::new(count));
    let tasks: Vec<_> = (0..at_a_time)
        .map(|_| {
            let (caracal, left) = (caracal.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    caracal.spawn().await?.close().await?;
                }
                Ok::<(), nuncio_tokio::caracal::CallError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}
