use nuncio_smol::cap::NatsOptions;
pub(crate) use nuncio_smol::cap::{
    Client, ClientBuilder, MemoryServer, NatsBus, RedisStore, Router, RouterBuilder, Worker, WorkerBuilder,
};

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
