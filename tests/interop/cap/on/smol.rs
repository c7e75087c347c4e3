use std::time::Duration;

pub(crate) use nuncio_smol::cap::{
    Client, ClientBuilder, NatsBus, RedisStore, Router, RouterBuilder, Worker, WorkerBuilder,
};
use nuncio_smol::cap::{NatsOptions, RedisOptions};

/// Runs a test on this thread.
pub(crate) fn within(test: impl FnOnce()) {
    test();
}

pub(crate) use smol::block_on;

pub(crate) async fn bus(url: &str) -> NatsBus {
    connect(NatsOptions::new(url).unwrap()).await.unwrap()
}

/// Connects, and returns the error as its text.
pub(crate) async fn connect(options: NatsOptions) -> Result<NatsBus, String> {
    NatsBus::connect(options).await.map_err(|error| error.to_string())
}

pub(crate) fn store(url: &str) -> RedisStore {
    let mut options = RedisOptions::new(url).unwrap();
    // A server that comes back is reached at once.
    (options.first_pause, options.longest_pause) = (Duration::from_millis(1), Duration::from_millis(1));
    RedisStore::new(options).unwrap()
}
