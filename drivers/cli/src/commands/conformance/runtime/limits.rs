//! §14: the limits of a runtime.

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Finding, Judged, broken, expect, not_offered};
use crate::commands::conformance::frame::{code, kind, named, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::trial::{FEATURES, Trial};

rules! {
    Should "§14" chunk_cap: "A chunk of more than a mebibyte is not passed on.";
    Should "§14" result_cap: "A streamed result of more than --result-limit bytes is not passed on.";
    Must "§14" beyond_cap: "A chunk or a streamed result beyond its cap ends its job with INTERNAL_ERROR.";
    Should "§14" session_cap: "A principal has at most --session-limit sessions at once.";
}

/// The size above which a chunk should be refused.
const CHUNK: usize = 1 << 20;
/// The size of the chunks of a long result.
const PIECE: usize = 32 << 10;

/// A streamed result, and the end of its job.
struct Streamed {
    /// The sizes of the chunks that came.
    chunks: Vec<usize>,
    end: Value,
}

impl Streamed {
    fn total(&self) -> usize {
        self.chunks.iter().sum()
    }
}

/// Runs the agent that streams as many chunks of this size.
async fn streamed(trial: &Trial<'_>, chunk_bytes: usize, chunks: usize) -> Judged<Streamed> {
    let mut session = trial.session().await?;
    session.needs("result_chunk")?;
    let input = json!({"chunk_bytes": chunk_bytes, "chunks": chunks});
    let (job, end) = session.run(&trial.agents().bigchunk, &input).await?;
    let bodies = session.bodies(&job.id, "result_chunk");
    Ok(Streamed { chunks: bodies.iter().map(|body| text(body, "/data").len()).collect(), end })
}

/// Runs a job with a chunk that is too large.
async fn big_chunk(trial: &Trial<'_>) -> Judged<Streamed> {
    streamed(trial, CHUNK + 1, 1).await
}

/// Runs a job with a result that is longer than the limit, which is returned as well.
async fn long_result(trial: &Trial<'_>) -> Judged<(Streamed, usize)> {
    let Some(limit) = trial.target.result_limit else {
        return not_offered("give the size of the longest streamed result with --result-limit");
    };
    let result = streamed(trial, PIECE, limit / PIECE + 1).await?;
    if kind(&result.end) == "job.result" && result.total() <= limit {
        return not_offered(format!("the agent streams no more than {} bytes", result.total()));
    }
    Ok((result, limit))
}

async fn chunk_cap(trial: &Trial<'_>) -> Judged {
    let result = big_chunk(trial).await?;
    let largest = result.chunks.iter().max().copied().unwrap_or(0);
    expect(largest <= CHUNK, || format!("a chunk of {largest} bytes comes"))
}

async fn result_cap(trial: &Trial<'_>) -> Judged {
    let (result, limit) = long_result(trial).await?;
    expect(result.total() <= limit, || format!("chunks of {} bytes in all come", result.total()))
}

async fn beyond_cap(trial: &Trial<'_>) -> Judged {
    let chunk = big_chunk(trial).await?;
    // A runtime may have no cap, or split what the agent writes.
    let mut capped = Vec::new();
    if chunk.total() <= CHUNK {
        capped.push(("a chunk of more than a mebibyte", chunk));
    }
    match long_result(trial).await {
        Ok((result, limit)) if result.total() <= limit => capped.push(("a result beyond --result-limit", result)),
        Ok(_) | Err(Finding::NotOffered(_)) => {}
        Err(broken) => return Err(broken),
    }
    if capped.is_empty() {
        return not_offered("the runtime has no such cap");
    }
    for (what, result) in capped {
        expect(kind(&result.end) == "job.error" && code(&result.end) == "INTERNAL_ERROR", || {
            format!("the job with {what} ends with {}", named(&result.end))
        })?;
    }
    Ok(())
}

async fn session_cap(trial: &Trial<'_>) -> Judged {
    let Some(limit) = trial.target.session_limit else {
        return not_offered("give the number of sessions that a principal may have with --session-limit");
    };
    let mut sessions = Vec::new();
    let mut is_capped = false;
    while !is_capped && sessions.len() <= limit {
        let Ok(mut wire) = trial.open().await else {
            return not_offered(format!("only {} connections can be made", sessions.len()));
        };
        wire.request("session.hello", &trial.hello(&FEATURES[1..])).await;
        is_capped = kind(&wire.next("the answer to a hello").await?) != "session.welcome";
        sessions.push(wire);
    }
    let count = sessions.len();
    // They would count for the rules that follow.
    for session in &mut sessions {
        session.request("session.close", &json!({"reason": "done"})).await;
        session.close().await;
    }
    if is_capped { Ok(()) } else { broken(format!("{count} sessions are open at once")) }
}
