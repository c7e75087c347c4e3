//! Agents that stream their results, well and badly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuncio_tokio::{Failure, JobContext, Json, Output, ServerBuilder};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(crate) fn offer(server: ServerBuilder) -> ServerBuilder {
    server.agent("chunks", chunks).agent("bigchunk", bigchunk).agent("rawchunks", rawchunks)
}

/// `size` is not read: the runtime counts itself.
#[derive(Deserialize)]
#[serde(default)]
struct Chunks {
    chunks: Vec<Piece>,
    result_id: Option<String>,
    finalize: bool,
}

#[derive(Deserialize, Serialize)]
struct Piece {
    data: String,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Utf8,
    Base64,
}

impl Default for Chunks {
    fn default() -> Chunks {
        let text = Piece { data: "hello ".to_owned(), encoding: Encoding::Utf8 };
        let bytes = Piece { data: "d29ybGQ=".to_owned(), encoding: Encoding::Base64 };
        Chunks { chunks: vec![text, bytes], result_id: None, finalize: true }
    }
}

async fn chunks(input: Option<Chunks>, ctx: JobContext) -> Result<Output, Failure> {
    let Chunks { chunks, result_id, finalize } = input.unwrap_or_default();
    match result_id {
        Some(result_id) => send(&ctx, &result_id, &chunks, finalize).await?,
        None => write(&ctx, &chunks, finalize).await?,
    }
    Ok(Output::streamed(format!("{} chunks", chunks.len())))
}

/// Through the writer, which names the result itself.
async fn write(ctx: &JobContext, chunks: &[Piece], finalize: bool) -> Result<(), Failure> {
    let mut writer = ctx.writer();
    for chunk in chunks {
        match chunk.encoding {
            Encoding::Utf8 => writer.write_text(&chunk.data).await?,
            Encoding::Base64 => {
                let bytes = STANDARD.decode(&chunk.data);
                writer.write_bytes(&bytes.map_err(|error| Failure::invalid(error.to_string()))?).await?;
            }
        }
    }
    if finalize {
        writer.finish().await?;
    }
    Ok(())
}

/// Past the writer, under a name of the agent's own.
async fn send(ctx: &JobContext, result_id: &str, chunks: &[Piece], finalize: bool) -> Result<(), Failure> {
    let end = Piece { data: String::new(), encoding: Encoding::Utf8 };
    for (seq, chunk) in chunks.iter().chain(finalize.then_some(&end)).enumerate() {
        let more = seq < chunks.len();
        let Piece { data, encoding } = chunk;
        let body = json!({"result_id": result_id, "chunk_seq": seq, "data": data, "encoding": encoding, "more": more});
        ctx.event("result_chunk", &body).await?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(default)]
struct BigChunk {
    chunk_bytes: usize,
}

impl Default for BigChunk {
    fn default() -> BigChunk {
        BigChunk { chunk_bytes: 1_048_577 }
    }
}

async fn bigchunk(input: Option<BigChunk>, ctx: JobContext) -> Result<Output, Failure> {
    let data = "x".repeat(input.unwrap_or_default().chunk_bytes);
    let body = json!({"result_id": "res_big", "chunk_seq": 0, "data": data, "encoding": "utf8", "more": false});
    ctx.event("result_chunk", &body).await?;
    Ok(Output::Streamed { summary: None })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawChunks {
    bodies: Vec<Box<Json>>,
    inline: Option<Box<Json>>,
}

async fn rawchunks(input: Option<RawChunks>, ctx: JobContext) -> Result<Output, Failure> {
    let RawChunks { bodies, inline } = input.unwrap_or_default();
    for body in &bodies {
        ctx.event("result_chunk", body).await?;
    }
    Ok(inline.map_or(Output::Streamed { summary: None }, Output::Inline))
}
