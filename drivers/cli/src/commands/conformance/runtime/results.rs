//! §8.4: streamed results.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, broken, expect};
use crate::commands::conformance::frame::{named, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::trial::Trial;

rules! {
    Must "§8.4" members: "A chunk has result_id, chunk_seq, data, encoding and more.";
    Must "§8.4" chunk_order: "The chunks of a result have one result_id and the numbers 0, 1, 2 …; the last one alone has more false.";
    Should "§8.4" text_is_utf8: "Text is streamed as utf8.";
    Must "§8.4" result_id: "The end of a streamed result names its result_id.";
    Must "§8.4" not_mixed: "A job with chunks has no inline result.";
    Must "§8.4" not_mixed_by_agent: "An agent that emits chunks and returns a value as well ends with one of the two, or fails.";
    Described "§8.4" assembled_result: "The decoded chunks are the result, and result_size is their length.";
}

/// The chunks of a streamed result, and the end of its job.
async fn streamed(trial: &Trial<'_>, input: &Value) -> Judged<(Vec<Value>, Value)> {
    let mut session = trial.session().await?;
    session.needs("result_chunk")?;
    let (job, end) = session.run(&trial.agents().chunks, input).await?;
    let chunks = session.bodies(&job.id, "result_chunk");
    expect(!chunks.is_empty(), || format!("no chunk comes; the job ends with {}", named(&end)))?;
    Ok((chunks, end))
}

fn texts() -> Value {
    json!({"chunks": [{"data": "one ", "encoding": "utf8"}, {"data": "zwei ", "encoding": "utf8"}, {"data": "три", "encoding": "utf8"}]})
}

/// Returns what is wrong with the members of a chunk.
fn member_fault(chunk: &Value) -> Option<&'static str> {
    match () {
        () if text(chunk, "/result_id").is_empty() => Some("a chunk has no result_id"),
        () if chunk["chunk_seq"].as_u64().is_none() => Some("a chunk has no chunk_seq"),
        () if !chunk["data"].is_string() => Some("a chunk has no data"),
        () if !matches!(text(chunk, "/encoding"), "utf8" | "base64") => {
            Some("a chunk's encoding is neither utf8 nor base64")
        }
        () if !chunk["more"].is_boolean() => Some("a chunk has no boolean more"),
        () => None,
    }
}

/// Returns what is wrong with the order of chunks.
fn order_fault(chunks: &[Value]) -> Option<String> {
    let first = chunks.first()?;
    for (place, chunk) in chunks.iter().enumerate() {
        let is_last = place + 1 == chunks.len();
        if chunk["result_id"] != first["result_id"] {
            return Some("the chunks have several result_ids".to_owned());
        }
        if chunk["chunk_seq"] != place {
            return Some(format!("chunk_seq {} comes where {place} is due", chunk["chunk_seq"]));
        }
        if chunk["more"] == is_last {
            return Some(format!("more is {} in chunk {place} of {}", chunk["more"], chunks.len()));
        }
    }
    None
}

/// Returns the assembled bytes of a result.
fn assembled(chunks: &[Value]) -> Option<Vec<u8>> {
    let parts = chunks.iter().map(|chunk| match text(chunk, "/encoding") {
        "base64" => STANDARD.decode(text(chunk, "/data")).ok(),
        _ => Some(text(chunk, "/data").as_bytes().to_vec()),
    });
    parts.collect::<Option<Vec<_>>>().map(|parts| parts.concat())
}

async fn members(trial: &Trial<'_>) -> Judged {
    let (chunks, _) = streamed(trial, &json!({})).await?;
    chunks.iter().find_map(member_fault).map_or(Ok(()), broken)
}

async fn chunk_order(trial: &Trial<'_>) -> Judged {
    let (chunks, _) = streamed(trial, &texts()).await?;
    order_fault(&chunks).map_or(Ok(()), broken)
}

async fn text_is_utf8(trial: &Trial<'_>) -> Judged {
    let (chunks, _) = streamed(trial, &texts()).await?;
    expect(chunks.iter().all(|chunk| text(chunk, "/encoding") == "utf8"), || "a chunk of text is base64".to_owned())
}

async fn result_id(trial: &Trial<'_>) -> Judged {
    let (chunks, end) = streamed(trial, &texts()).await?;
    let id = chunks.first().map(|chunk| text(chunk, "/result_id")).unwrap_or_default();
    expect(text(&end, "/payload/result_id") == id, || format!("it names {}", end["payload"]["result_id"]))
}

async fn not_mixed(trial: &Trial<'_>) -> Judged {
    let (_, end) = streamed(trial, &texts()).await?;
    expect(end["payload"]["result"].is_null(), || "job.result has a result, too".to_owned())
}

async fn not_mixed_by_agent(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("result_chunk")?;
    let body = json!({"result_id": "res_mixed", "chunk_seq": 0, "data": "a", "encoding": "utf8", "more": false});
    let input = json!({"bodies": [body], "inline": {"also": "inline"}});
    let (job, end) = session.run(&trial.agents().rawchunks, &input).await?;
    let has_chunks = !session.bodies(&job.id, "result_chunk").is_empty();
    let has_result = !end["payload"]["result"].is_null();
    expect(!(has_chunks && has_result), || "the job has chunks and an inline result".to_owned())
}

async fn assembled_result(trial: &Trial<'_>) -> Judged {
    let (chunks, end) = streamed(trial, &texts()).await?;
    let Some(bytes) = assembled(&chunks) else { return broken("a chunk of base64 cannot be decoded") };
    expect(bytes == "one zwei три".as_bytes(), || format!("the result is {:?}", String::from_utf8_lossy(&bytes)))?;
    let size = &end["payload"]["result_size"];
    expect(size.is_null() || *size == bytes.len(), || format!("result_size is {size}, not {}", bytes.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{assembled, member_fault, order_fault};

    fn chunk(seq: u64, more: bool) -> Value {
        json!({"result_id": "r", "chunk_seq": seq, "data": "YQ==", "encoding": "base64", "more": more})
    }

    #[test]
    fn the_order_of_chunks_is_judged() {
        assert_eq!(order_fault(&[chunk(0, true), chunk(1, false)]), None);
        assert!(order_fault(&[chunk(0, true), chunk(2, false)]).is_some());
        assert!(order_fault(&[chunk(0, false), chunk(1, false)]).is_some());
        assert!(order_fault(&[chunk(0, true), chunk(1, true)]).is_some());
        let mut other = chunk(1, false);
        other["result_id"] = "s".into();
        assert!(order_fault(&[chunk(0, true), other]).is_some());
    }

    #[test]
    fn a_missing_member_is_found() {
        assert_eq!(member_fault(&chunk(0, true)), None);
        for member in ["result_id", "chunk_seq", "data", "encoding", "more"] {
            let mut bad = chunk(0, true);
            bad[member] = json!(null);
            assert!(member_fault(&bad).is_some(), "{member}");
        }
    }

    #[test]
    fn chunks_are_decoded_and_joined() {
        let text = json!({"data": "ü", "encoding": "utf8"});
        assert_eq!(assembled(&[text, chunk(1, false)]), Some("üa".as_bytes().to_vec()));
        assert_eq!(assembled(&[json!({"data": "?", "encoding": "base64"})]), None);
    }
}
