//! A result that is too large for one message is streamed in chunks, which a client can use one by one or collect.
//!
//! `cargo run -p nuncio-examples --bin result_chunk`

use std::error::Error;

use nuncio_tokio::arcp::{
    CallError, Client, ClientConfig, Failure, Feature, Features, JobContext, Output, Product, Server, Submit,
};
use nuncio_tokio::auth::StaticTokens;

const PIXELS: usize = 300_000;

fn pixels() -> Vec<u8> {
    (0..=250).cycle().take(PIXELS).collect()
}

/// Streams bytes. The writer splits what it is given into chunks of a valid size.
async fn picture((): (), ctx: JobContext) -> Result<Output, Failure> {
    let mut writer = ctx.writer();
    for half in pixels().chunks(PIXELS / 2) {
        writer.write_bytes(half).await?;
    }
    writer.finish().await?;
    Ok(Output::streamed("a picture"))
}

/// Streams text in the way a language model produces it.
async fn story((): (), ctx: JobContext) -> Result<Output, Failure> {
    let mut writer = ctx.writer();
    for words in ["once ", "upon ", "a "] {
        writer.write_text(words).await?;
    }
    writer.finish_text("time").await?;
    Ok(Output::streamed("a story"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("picture", picture).agent("story", story).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    // Chunk by chunk, a result may have any size, because the client does not keep the chunks.
    let mut job = client.submit(&Submit::new("picture")).await?;
    let (mut received, mut pieces) = (Vec::new(), 0);
    while let Some(chunk) = job.chunks().try_next().await? {
        assert_eq!(chunk.chunk_seq, pieces, "chunks are in order and none is missing");
        received.extend_from_slice(&chunk.data);
        pieces += 1;
    }
    println!("{} bytes in {pieces} pieces", received.len());
    assert!(pieces > 2, "the writer split each half");
    assert!(received == pixels(), "every byte arrives");
    let outcome = job.outcome().await?;
    assert!(matches!(outcome.result, Product::Streamed { complete: true, .. }), "the result is complete");

    // Collected, a result may not exceed the caller's limit.
    let collected = client.submit(&Submit::new("picture")).await?.collect(PIXELS).await?;
    assert!(collected.streamed == pixels());
    let too_large = client.submit(&Submit::new("picture")).await?.collect(PIXELS - 1).await;
    assert!(matches!(too_large, Err(CallError::TooLarge { cap }) if cap == PIXELS - 1));

    // A client that did not negotiate chunks gets the same result inline. The agent is the same.
    let streamed = client.submit(&Submit::new("story")).await?.collect(100).await?;
    assert_eq!(streamed.streamed, b"once upon a time");
    let plain = ClientConfig::default().with(|config| config.features = Features::ALL.without(Feature::ResultChunk));
    let client = Client::builder(listening.url(), "secret")?.config(plain).connect().await?;
    let inline = client.submit(&Submit::new("story")).await?.collect(100).await?;
    assert_eq!(inline.json::<String>()?, "once upon a time");
    Ok(())
}
