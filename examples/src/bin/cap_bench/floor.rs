//! The baseline: async-nats alone. The messages have the lengths of ours and take the same way; nobody reads them.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use futures_lite::StreamExt as _;
use nuncio_examples::bench::serve;

use crate::Place;
use crate::side::answer;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const SUBMIT: &str = "sys.job.submit";
const TOPIC: &str = "job.echo";
const RESULT: &str = "sys.job.result";

/// The number at the start of each message, which pairs a result with its request.
const NUMBER: usize = 8;

fn sizes(place: &Place) -> Result<(usize, usize)> {
    match place.sizes[..] {
        [request, result] if request >= NUMBER && result >= NUMBER => Ok((request, result)),
        _ => Err("two lengths of at least 8 bytes are needed".into()),
    }
}

async fn connect(place: &Place) -> Result<Client> {
    Ok(async_nats::connect(&place.nats).await?)
}

/// Receives requests and answers with results.
pub(crate) async fn worker(place: &Place) -> Result<()> {
    let (nats, (_, result)) = (connect(place).await?, sizes(place)?);
    let mut requests = nats.queue_subscribe(TOPIC, TOPIC.into()).await?;
    nats.flush().await?;
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let mut payload = vec![0; result];
            payload[..NUMBER].copy_from_slice(&request.payload[..NUMBER]);
            nats.publish(RESULT, payload.into()).await.expect("the connection lives");
        }
    });
    serve().await
}

/// Passes requests on, and receives the results, too.
pub(crate) async fn router(place: &Place) -> Result<()> {
    let nats = connect(place).await?;
    let (mut submitted, mut results) =
        (nats.queue_subscribe(SUBMIT, SUBMIT.into()).await?, nats.subscribe(RESULT).await?);
    nats.flush().await?;
    tokio::spawn(async move { while results.next().await.is_some() {} });
    tokio::spawn(async move {
        while let Some(request) = submitted.next().await {
            nats.publish(TOPIC, request.payload).await.expect("the connection lives");
        }
    });
    serve().await
}

pub(crate) async fn client(place: &Place) -> Result<()> {
    let (nats, (request, _)) = (connect(place).await?, sizes(place)?);
    let mut results = nats.subscribe(RESULT).await?;
    nats.flush().await?;
    answer(async |count, in_flight| {
        let (mut sent, mut took, mut started) = (0, Vec::new(), HashMap::new());
        while took.len() < count {
            while sent < count && started.len() < in_flight {
                let mut payload = vec![0; request];
                let number = u64::try_from(sent)?.to_be_bytes();
                payload[..NUMBER].copy_from_slice(&number);
                started.insert(number.to_vec(), Instant::now());
                nats.publish(SUBMIT, Bytes::from(payload)).await?;
                sent += 1;
            }
            let result = results.next().await.ok_or("the connection has ended")?;
            let started = started.remove(&result.payload[..NUMBER]).ok_or("a result nobody has asked for")?;
            took.push(Instant::elapsed(&started));
        }
        Ok::<Vec<Duration>, Box<dyn Error + Send + Sync>>(took)
    })
    .await
}
