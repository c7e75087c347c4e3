//! A result too large for one message comes in pieces: used as they come, or collected up to a limit.
//!
//! `cargo run -p nuncio-examples --bin result_chunk`

use std::error::Error;

use nuncio_tokio::arcp::{
    Client, ClientConfig, ClientError, Failure, Feature, Features, JobContext, Output, Product, Server, Submit,
};
use nuncio_tokio::auth::StaticTokens;

const PIXELS: usize = 300_000;

fn pixels() -> Vec<u8> {
    (0..=250).cycle().take(PIXELS).collect()
}

/// Bytes: write as much as there is at a time, the writer cuts it into chunks that fit.
async fn picture((): (), ctx: JobContext) -> Result<Output, Failure> {
    let mut writer = ctx.writer();
    for half in pixels().chunks(PIXELS / 2) {
        writer.write_bytes(half).await?;
    }
    writer.finish().await?;
    Ok(Output::streamed("a picture"))
}

/// Text, as a model writes it.
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

    // Piece by piece, whatever the size: nothing is kept here but what this loop keeps.
    let mut job = client.submit(&Submit::new("picture")).await?;
    let (mut received, mut pieces) = (Vec::new(), 0);
    while let Some(chunk) = job.chunks().next().await {
        let chunk = chunk?;
        assert_eq!(chunk.chunk_seq, pieces, "in order, and none is missing");
        received.extend_from_slice(&chunk.data);
        pieces += 1;
    }
    println!("{} bytes in {pieces} pieces", received.len());
    assert!(pieces > 2, "what was written at once was too large for one message");
    assert!(received == pixels(), "every byte");
    let outcome = job.outcome().await?;
    assert!(matches!(outcome.result, Product::Streamed { complete: true, .. }), "the end says that nothing is missing");

    // All at once, but never more than one is ready to hold.
    let collected = client.submit(&Submit::new("picture")).await?.collect(PIXELS).await?;
    assert!(collected.streamed == pixels());
    let too_large = client.submit(&Submit::new("picture")).await?.collect(PIXELS - 1).await;
    assert!(matches!(too_large, Err(ClientError::ResultTooLarge { cap }) if cap == PIXELS - 1));

    // A client that does not take chunks gets the same inline; the agent does not notice.
    let streamed = client.submit(&Submit::new("story")).await?.collect(100).await?;
    assert_eq!(streamed.streamed, b"once upon a time");
    let plain = ClientConfig::default().with(|config| config.features = Features::ALL.without(Feature::ResultChunk));
    let client = Client::builder(listening.url(), "secret")?.config(plain).connect().await?;
    let inline = client.submit(&Submit::new("story")).await?.collect(100).await?;
    assert_eq!(inline.json::<String>()?, "once upon a time");
    Ok(())
}
