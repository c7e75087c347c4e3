//! Programs that write no messages: what they print, or how they exit, is the result.

use std::process::ExitStatus;

use nuncio_core::surrogates;
use nuncio_tokio::arcp::{Failure, JobContext, Json, Level, Output, Refused};
use nuncio_tokio::io::CancellationToken;
use serde_json::value::to_raw_value;
use tokio::io::AsyncRead;

use crate::exec::answer;
use crate::exec::lines::{Line, LineSplitter, LongLine};
use crate::exec::pipe::{PipeBytes, PipeLines};
use crate::exec::program::ResultSource;
use crate::exec::run;

/// Bytes of the longest text that is sent as an inline result. A longer one is streamed.
const MAX_INLINE: usize = 64 * 1024;
/// Bytes of the longest log message made of a line.
const MAX_LOG_MESSAGE: usize = 8 * 1024;

/// What was made of the stdout of a program.
pub(super) enum Printed {
    /// All of it.
    Whole(Vec<u8>),
    /// It was streamed.
    Streamed,
    /// It was logged.
    Logged,
}

/// Returns what the program reads from stdin: a text as it is, any other value as JSON, and nothing without an input. A
/// program that prints JSON reads JSON in any case.
pub(super) fn input(source: ResultSource, input: Option<&Json>) -> String {
    if source == ResultSource::Json {
        return answer::input(input);
    }
    match input {
        None => String::new(),
        Some(json) if json.get() == "null" => String::new(),
        Some(json) => serde_json::from_str(surrogates::whole(json).get()).unwrap_or_else(|_| answer::input(Some(json))),
    }
}

/// Reads stdout to its end.
pub(super) async fn read(
    source: ResultSource,
    stdout: impl AsyncRead + Unpin,
    ended: CancellationToken,
    ctx: &JobContext,
    max: usize,
) -> Result<Printed, Failure> {
    match source {
        ResultSource::Exit | ResultSource::Messages => {
            let mut lines = PipeLines::new(stdout, ended, LineSplitter::new(MAX_LOG_MESSAGE, LongLine::Split));
            while let Some(line) = lines.next().await {
                if let Line::Complete(line) = line
                    && !line.trim_ascii().is_empty()
                {
                    // Fails after the job's end. The rest is read all the same, so that the program can write it and end.
                    drop(ctx.log(Level::Info, &String::from_utf8_lossy(&line)).await);
                }
            }
            Ok(Printed::Logged)
        }
        ResultSource::Json => whole(PipeBytes::new(stdout, ended), max).await.map(Printed::Whole),
        ResultSource::Stdout => text(PipeBytes::new(stdout, ended), ctx).await,
    }
}

/// Reads everything, of which at most `max` bytes are kept.
async fn whole(mut bytes: PipeBytes<impl AsyncRead + Unpin>, max: usize) -> Result<Vec<u8>, Failure> {
    let mut read = Vec::new();
    let mut is_too_long = false;
    while let Some(more) = bytes.next().await {
        is_too_long |= read.len() + more.len() > max;
        if !is_too_long {
            read.extend_from_slice(more);
        }
    }
    if is_too_long {
        let message = format!("the program has printed more than {max} bytes, which is too long for one JSON value");
        return Err(Failure::internal(message));
    }
    Ok(read)
}

/// Reads everything, and streams what is too long for an inline result or is not a text.
async fn text(mut bytes: PipeBytes<impl AsyncRead + Unpin>, ctx: &JobContext) -> Result<Printed, Failure> {
    let mut writer = ctx.writer();
    let (mut kept, mut refused, mut streams) = (Vec::new(), None, false);
    while let Some(more) = bytes.next().await {
        if refused.is_some() {
            // Read all the same, so that the program can write it and end.
            continue;
        }
        kept.extend_from_slice(more);
        if streams || kept.len() > MAX_INLINE {
            streams = true;
            refused = writer.write_bytes(&std::mem::take(&mut kept)).await.err();
        }
    }
    if refused.is_none() && !streams && std::str::from_utf8(&kept).is_err() {
        streams = true;
        refused = writer.write_bytes(&std::mem::take(&mut kept)).await.err();
    }
    match refused {
        // The job has ended.
        None | Some(Refused::Terminal | Refused::Stale) if streams => Ok(Printed::Streamed),
        Some(refused) => Err(refused.into()),
        None => Ok(Printed::Whole(kept)),
    }
}

/// How the job ends, after the program has ended with this status.
pub(super) fn conclude(source: ResultSource, printed: Printed, status: ExitStatus) -> Result<Output, Failure> {
    if source == ResultSource::Exit
        && let Some(code) = status.code()
    {
        return inline(&code);
    }
    if !status.success() {
        return Err(Failure::internal(format!("the program of the agent {}", run::ended(status))));
    }
    match (source, printed) {
        (ResultSource::Json, Printed::Whole(bytes)) => {
            let json = serde_json::from_slice::<Box<Json>>(&bytes);
            json.map(|json| Output::Inline(surrogates::whole(&json).into_owned())).map_err(|error| {
                Failure::internal(format!("what the program has printed is not one JSON value: {error}"))
            })
        }
        (_, Printed::Whole(bytes)) => inline(&String::from_utf8_lossy(&bytes)),
        (_, Printed::Streamed) => Ok(Output::Streamed { summary: None }),
        (_, Printed::Logged) => Ok(Output::Inline(Json::NULL.to_owned())),
    }
}

fn inline(value: &(impl serde::Serialize + ?Sized)) -> Result<Output, Failure> {
    to_raw_value(value).map(Output::Inline).map_err(|error| Failure::internal(error.to_string()))
}
