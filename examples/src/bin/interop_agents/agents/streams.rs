//! Agents with streamed results, valid and invalid.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuncio_shared::arcp::{Failure, JobContext, Json, Output};
use serde::Deserialize;
use serde_json::json;

/// A `size` in the input is ignored, because the runtime counts the bytes itself.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Chunks {
    chunks: Vec<Piece>,
    result_id: Option<String>,
    finalize: bool,
}

#[derive(Deserialize)]
struct Piece {
    data: String,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Utf8,
    Base64,
}

impl Default for Chunks {
    fn default() -> Chunks {
        let hello = Piece { data: "hello ".to_owned(), encoding: Encoding::Utf8 };
        let world = Piece { data: "d29ybGQ=".to_owned(), encoding: Encoding::Base64 };
        Chunks { chunks: vec![hello, world], result_id: None, finalize: true }
    }
}

pub(super) async fn chunks(input: Option<Chunks>, ctx: JobContext) -> Result<Output, Failure> {
    let Chunks { chunks, result_id, finalize } = input.unwrap_or_default();
    match result_id {
        Some(id) => named(&ctx, &id, &chunks, finalize).await?,
        None => written(&ctx, &chunks, finalize).await?,
    }
    Ok(Output::streamed(format!("{} chunks", chunks.len())))
}

/// Streams under a given result id. The writer chooses its own ids, so this emits the events itself.
async fn named(ctx: &JobContext, id: &str, chunks: &[Piece], finalize: bool) -> Result<(), Failure> {
    for (seq, piece) in chunks.iter().enumerate() {
        let encoding = match piece.encoding {
            Encoding::Utf8 => "utf8",
            Encoding::Base64 => "base64",
        };
        let more = !finalize || seq + 1 < chunks.len();
        let body = json!({"result_id": id, "chunk_seq": seq, "data": piece.data, "encoding": encoding, "more": more});
        ctx.event("result_chunk", &body).await?;
    }
    if finalize && chunks.is_empty() {
        let body = json!({"result_id": id, "chunk_seq": 0, "data": "", "encoding": "utf8", "more": false});
        ctx.event("result_chunk", &body).await?;
    }
    Ok(())
}

async fn written(ctx: &JobContext, chunks: &[Piece], finalize: bool) -> Result<(), Failure> {
    let mut writer = ctx.writer();
    for piece in chunks {
        match piece.encoding {
            Encoding::Utf8 => writer.write_text(&piece.data).await?,
            Encoding::Base64 => {
                let bytes = STANDARD.decode(&piece.data).map_err(|error| Failure::invalid(error.to_string()))?;
                writer.write_bytes(&bytes).await?;
            }
        }
    }
    if finalize {
        writer.finish().await?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct BigChunk {
    chunk_bytes: usize,
    chunks: u64,
}

impl Default for BigChunk {
    fn default() -> BigChunk {
        BigChunk { chunk_bytes: 1_048_577, chunks: 1 }
    }
}

pub(super) async fn bigchunk(input: Option<BigChunk>, ctx: JobContext) -> Result<Output, Failure> {
    let BigChunk { chunk_bytes, chunks } = input.unwrap_or_default();
    let data = "x".repeat(chunk_bytes);
    for seq in 0..chunks {
        let more = seq + 1 < chunks;
        let body = json!({"result_id": "res_big", "chunk_seq": seq, "data": data, "encoding": "utf8", "more": more});
        ctx.event("result_chunk", &body).await?;
    }
    Ok(Output::Streamed { summary: None })
}

#[derive(Deserialize)]
pub(super) struct RawChunks {
    bodies: Vec<Box<Json>>,
    inline: Option<Box<Json>>,
}

pub(super) async fn rawchunks(input: RawChunks, ctx: JobContext) -> Result<Output, Failure> {
    for body in &input.bodies {
        ctx.event("result_chunk", body).await?;
    }
    Ok(input.inline.map_or(Output::Streamed { summary: None }, Output::Inline))
}
