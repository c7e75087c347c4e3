use nuncio_tokio::cap::NatsOptions;
pub(crate) use nuncio_tokio::cap::{
    Client, ClientBuilder, MemoryServer, NatsBus, RedisStore, Router, RouterBuilder, Worker, WorkerBuilder,
};

/// Runs a test on this thread, which belongs to a runtime that runs the handlers of workers.
pub(crate) fn within(test: impl FnOnce()) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let entered = runtime.enter();
    test();
    drop(entered);
    // Handlers that are still running do not matter to the test.
    runtime.shutdown_background();
}

pub(crate) use smol::block_on;

pub(crate) async fn bus(url: &str) -> NatsBus {
    connect(NatsOptions::new(url).unwrap()).await.unwrap()
}

/// Connects, and returns the error as its text.
pub(crate) async fn connect(options: NatsOptions) -> Result<NatsBus, String> {
    NatsBus::connect(options).await.map_err(|error| error.to_string())
}
