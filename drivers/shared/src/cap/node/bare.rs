//! A hub for tests of what its lock guards. Its tasks are not started, and actions are not performed.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_lite::future::{block_on, poll_once};
use nuncio_core::cap::{ComponentId, Reading, Verifier};
use nuncio_core::time::Time;

use super::hub::{Hub, Role, State};
use super::identity::Identity;
use super::wire::Order;
use crate::cap::MemoryBus;
use crate::io::by_hand::ByHand;
use crate::io::clock::Clock;

pub(crate) struct Bare<S>(PhantomData<fn(S)>);

impl<S: State> Role for Bare<S> {
    type State = S;

    fn perform(_: &Arc<Hub<Bare<S>>>, _: S::Action) {}
}

pub(crate) fn hub<S: State>(state: S, clock: Clock) -> Arc<Hub<Bare<S>>> {
    Hub::new(Bare(PhantomData), state, clock, Arc::new(MemoryBus::new()), Arc::new(ByHand::default()))
}

/// Takes the orders that wait.
pub(crate) fn orders<R: Role>(hub: &Hub<R>) -> Vec<Order> {
    let mut orders = Vec::new();
    while let Some(order) = block_on(poll_once(hub.wire.next())) {
        hub.wire.done(None);
        orders.push(order);
    }
    orders
}

/// Returns what the configuration of a machine needs, which then accepts packets without a signature.
pub(crate) fn identity(id: &str) -> (ComponentId, Reading, Arc<dyn Verifier>) {
    let mut identity = Identity::new();
    identity.id = Some(id.to_owned());
    let id = identity.id("").expect("it is valid");
    let reading = identity.reading(&id);
    (id, reading, identity.verifier)
}

/// Returns the deadline that the timer waits for.
pub(crate) fn deadline<R: Role>(hub: &Hub<R>) -> Option<Time> {
    hub.arm()
}
