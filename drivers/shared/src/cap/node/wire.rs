//! The queue of what a machine wants of the bus.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use event_listener::Event;
use nuncio_core::cap::Subject;

use crate::io::sync::{Signal, lock};

/// What a machine wants of the bus.
#[derive(Debug)]
pub(crate) enum Order {
    /// Subscribe to a subject.
    Subscribe { subject: Subject, manner: Manner },
    /// End a subscription.
    Unsubscribe { subject: Subject },
    /// Publish a packet.
    Publish { subject: Subject, bytes: Bytes },
    /// Answer a request on its reply subject.
    Reply { to: String, bytes: Bytes },
}

/// How a subject is subscribed to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Every message is received.
    Alone,
    /// As a member of the queue group of the same name.
    Group,
    /// Every message is received, and those of a durable stream until they are acknowledged.
    Durable,
}

/// The orders that were not carried out yet, in the machine's order.
///
/// More than [`ROOM`] of them hold up what would make more: packets are not read, and progress waits.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    queue: Mutex<Queue>,
    /// Wakes the task that carries out orders.
    ready: Signal,
    /// Notified when an order was carried out.
    moved: Event,
}

#[derive(Debug, Default)]
struct Queue {
    orders: VecDeque<Order>,
    /// Whether an order is being carried out.
    is_busy: bool,
}

/// The number of orders that wait without holding up anything.
const ROOM: usize = 1_024;

impl Wire {
    /// Adds an order. It is called while the machine is locked, so that orders are in the machine's order.
    pub(super) fn push(&self, order: Order) {
        lock(&self.queue).orders.push_back(order);
    }

    /// Wakes the task that carries out orders. It is called once the machine's lock is free.
    pub(super) fn wake(&self) {
        self.ready.notify();
    }

    /// Waits for the next order.
    pub(super) async fn next(&self) -> Order {
        loop {
            {
                let mut queue = lock(&self.queue);
                if let Some(order) = queue.orders.pop_front() {
                    queue.is_busy = true;
                    return order;
                }
            }
            self.ready.notified().await;
        }
    }

    /// Notes that the order was carried out, or puts it back to the front of the queue.
    pub(super) fn done(&self, again: Option<Order>) {
        let mut queue = lock(&self.queue);
        queue.is_busy = false;
        if let Some(order) = again {
            queue.orders.push_front(order);
        }
        drop(queue);
        self.moved.notify(usize::MAX);
    }

    /// Removes the orders that mean nothing once the connection is lost.
    pub(super) fn retain(&self, keep: impl Fn(&Order) -> bool) {
        lock(&self.queue).orders.retain(keep);
        self.moved.notify(usize::MAX);
    }

    /// Waits until few orders wait.
    pub(crate) async fn room(&self) {
        self.until(|queue| queue.orders.len() < ROOM).await;
    }

    /// Waits until all orders are carried out.
    pub(super) async fn idle(&self) {
        self.until(|queue| queue.orders.is_empty() && !queue.is_busy).await;
    }

    /// Returns how many orders of this kind wait.
    pub(super) fn count(&self, kind: impl Fn(&Order) -> bool) -> usize {
        lock(&self.queue).orders.iter().filter(|order| kind(order)).count()
    }

    /// Waits until no order of this kind waits, and none is being carried out.
    pub(super) async fn without(&self, kind: impl Fn(&Order) -> bool) {
        self.until(|queue| !queue.is_busy && !queue.orders.iter().any(&kind)).await;
    }

    async fn until(&self, mut holds: impl FnMut(&Queue) -> bool) {
        loop {
            if holds(&lock(&self.queue)) {
                return;
            }
            let moved = self.moved.listen();
            // It may have moved before this task listened.
            if holds(&lock(&self.queue)) {
                return;
            }
            moved.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;

    fn reply(number: usize) -> Order {
        Order::Reply { to: number.to_string(), bytes: Bytes::new() }
    }

    #[test]
    fn there_is_room_for_a_number_of_orders() {
        block_on(async {
            let wire = Wire::default();
            for number in 1..ROOM {
                wire.push(reply(number));
            }
            assert!(poll_once(wire.room()).await.is_some());
            wire.push(reply(ROOM));
            assert!(poll_once(wire.room()).await.is_none());
            wire.next().await;
            wire.done(None);
            assert!(poll_once(wire.room()).await.is_some());
        });
    }

    #[test]
    fn an_order_that_is_put_back_is_the_next_one_and_none_is_kept_that_means_nothing_any_more() {
        block_on(async {
            let wire = Wire::default();
            (1..=3).for_each(|number| wire.push(reply(number)));
            let first = wire.next().await;
            assert!(poll_once(wire.idle()).await.is_none());
            wire.done(Some(first));
            wire.retain(|order| !matches!(order, Order::Reply { to, .. } if to == "2"));
            for expected in ["1", "3"] {
                let order = wire.next().await;
                assert!(matches!(&order, Order::Reply { to, .. } if to == expected), "{order:?}");
                assert!(poll_once(wire.idle()).await.is_none(), "it is being carried out");
                wire.done(None);
            }
            assert!(poll_once(wire.idle()).await.is_some());
        });
    }
}
