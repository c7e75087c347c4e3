use std::sync::{Arc, Mutex};

use futures_lite::StreamExt as _;
use nuncio_core::cap::{BusPacket, DecodeLimits, Payload};

use super::cap::{Bus as _, Client, ClientBuilder, JobRequest, MemoryBus, MemoryStore, Message, WorkerBuilder};
use super::cap::{BusError, Worker};

/// A bus, a store, and what sends submitted jobs to their topics.
pub(crate) struct Net {
    pub(crate) bus: MemoryBus,
    pub(crate) store: MemoryStore,
    /// Every message that was published.
    pub(crate) seen: Arc<Mutex<Vec<Message>>>,
}

impl Net {
    pub(crate) async fn new() -> Net {
        let bus = MemoryBus::new();
        let mut all = bus.subscribe(">", None).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (router, kept) = (bus.another(), Arc::clone(&seen));
        smol::spawn(async move {
            while let Some(received) = all.next().await {
                kept.lock().unwrap().push(received.message.clone());
                if received.message.subject == "sys.job.submit" {
                    let topic = request(&received.message).topic;
                    match router.publish(Message { subject: topic, ..received.message }).await {
                        Ok(()) | Err(BusError::Closed) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
        .detach();
        Net { bus, store: MemoryStore::new(), seen }
    }

    /// Starts a worker on a connection of its own.
    pub(crate) async fn worker(&self, builder: WorkerBuilder) -> (Worker, MemoryBus) {
        let bus = self.bus.another();
        let worker = builder.start(bus.clone(), self.store.clone()).unwrap();
        worker.ready().await.unwrap();
        (worker, bus)
    }

    /// Starts a client on a connection of its own.
    pub(crate) fn client(&self) -> (Client, MemoryBus) {
        self.client_of(Client::builder().id("client-1"))
    }

    pub(crate) fn client_of(&self, builder: ClientBuilder) -> (Client, MemoryBus) {
        let bus = self.bus.another();
        (builder.connect(bus.clone(), self.store.clone()).unwrap(), bus)
    }

    /// Waits until a message was published on a subject, and returns the first one.
    pub(crate) async fn await_message(&self, subject: &str) -> Message {
        loop {
            let found = self.seen.lock().unwrap().iter().find(|seen| seen.subject == subject).cloned();
            match found {
                Some(message) => return message,
                None => smol::future::yield_now().await,
            }
        }
    }
}

pub(crate) fn packet(message: &Message) -> BusPacket {
    BusPacket::decode(&message.payload, &DecodeLimits::default()).unwrap()
}

pub(crate) fn request(message: &Message) -> JobRequest {
    let Some(Payload::JobRequest(request)) = packet(message).payload else { panic!("no job request") };
    *request
}
