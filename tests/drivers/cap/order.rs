//! The order in which a node takes the messages of its subscriptions.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::{Stream, StreamExt as _};
use nuncio_shared::io::BoxFuture;

use super::cap::{
    Bus, BusError, BusState, Client, JobContext, MemoryBus, Message, Received, Submit, Subscription, Worker,
};
use super::support::Net;
use crate::on::within;

/// A bus that shows nothing of its subscriptions until its gate is opened.
#[derive(Clone)]
struct Gated {
    bus: MemoryBus,
    gate: Arc<Mutex<Gate>>,
    /// Whether it knows in which order messages have arrived.
    is_ordered: bool,
}

#[derive(Default)]
struct Gate {
    is_open: bool,
    /// What waits for the gate, by the subjects of its subscriptions.
    waiting: BTreeMap<String, Waker>,
}

impl Gated {
    /// Opens the gate. Whatever waits for a subject of jobs is woken in the order result, progress.
    fn open(&self) {
        let mut gate = self.gate.lock().unwrap();
        gate.is_open = true;
        let waiting = std::mem::take(&mut gate.waiting);
        drop(gate);
        waiting.into_values().rev().for_each(Waker::wake);
    }
}

struct Behind {
    subject: String,
    messages: Subscription,
    bus: Gated,
}

impl Stream for Behind {
    type Item = Received;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        let mut gate = self.bus.gate.lock().unwrap();
        if !gate.is_open {
            gate.waiting.insert(self.subject.clone(), cx.waker().clone());
            return Poll::Pending;
        }
        drop(gate);
        let is_ordered = self.bus.is_ordered;
        let next = self.messages.as_mut().poll_next(cx);
        next.map(|next| next.map(|next| Received { arrival: next.arrival.filter(|_| is_ordered), ..next }))
    }
}

impl Bus for Gated {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), BusError>> {
        self.bus.publish(message)
    }

    fn subscribe(&self, subject: &str, group: Option<&str>) -> BoxFuture<'_, Result<Subscription, BusError>> {
        let (subject, group) = (subject.to_owned(), group.map(str::to_owned));
        Box::pin(async move {
            let messages = self.bus.subscribe(&subject, group.as_deref()).await?;
            let behind: Subscription = Box::pin(Behind { subject, messages, bus: self.clone() });
            Ok(behind)
        })
    }

    fn request(&self, subject: &str, payload: Bytes, limit: Duration) -> BoxFuture<'_, Result<Message, BusError>> {
        self.bus.request(subject, payload, limit)
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), BusError>> {
        self.bus.flush()
    }

    fn state(&self) -> BusState {
        self.bus.state()
    }

    fn changed(&self, seen: BusState) -> BoxFuture<'_, BusState> {
        self.bus.changed(seen)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.bus.close()
    }
}

/// The client takes nothing until the result is on the bus, and the subscription to results is the first to be woken.
#[test]
fn a_result_does_not_overtake_the_progress_of_its_job() {
    for is_ordered in [true, false] {
        within(async {
            let net = Net::new().await;
            let (_worker, _) = net
                .worker(Worker::builder().job("job.steps", |ctx: JobContext, (): ()| async move {
                    for percent in [0, 50, 100] {
                        ctx.progress(percent).await?;
                    }
                    Ok(7)
                }))
                .await;
            let bus = Gated { bus: net.bus.another(), gate: Arc::default(), is_ordered };
            let client = Client::builder().id("client-1").connect(bus.clone(), net.store.clone()).unwrap();
            client.ready().await.unwrap();
            // It gets the result after the client.
            let mut results = net.bus.subscribe("sys.job.result", None).await.unwrap();
            let mut job = client.submit(Submit::new("job.steps").input(&())).await.unwrap();
            results.next().await.unwrap();
            bus.open();
            let seen: Vec<_> = job.progress().map(|progress| progress.percent).collect().await;
            assert_eq!(seen, [0, 50, 100]);
            assert_eq!(job.result::<u8>().await.unwrap(), 7);
        });
    }
}
