//! The tasks that connect a machine to a bus.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use futures_lite::future::{or, yield_now};
use nuncio_core::cap::Subject;
use tracing::{debug, error, info, warn};

use super::hub::{Hub, Link, Role, State};
use super::inputs::Inputs;
use super::wire::{Manner, Order};
use crate::cap::bus::{Bus, BusError, BusState, Message, Received};
use crate::io::timer::watch_deadlines;
use crate::io::{Driver, Io, Sanitized};

/// How many messages are passed to the machine until the other tasks of the thread have their turn.
const TURN: u64 = 32;

/// Returns the thread of a node: the chosen one, or else that of its bus, or else a new one with this name.
pub(crate) fn thread<D: Driver>(chosen: Option<Arc<D::Thread>>, bus: &impl Bus, name: &str) -> io::Result<Arc<dyn Io>> {
    match (chosen, bus.thread()) {
        (Some(chosen), _) => Ok(chosen),
        (None, Some(thread)) => Ok(thread),
        (None, None) => Ok(D::thread(name)?),
    }
}

/// Starts the tasks of a hub on its thread. They end when the hub is stopped.
pub(crate) fn start<R: Role>(hub: &Arc<Hub<R>>) {
    let inputs = Arc::new(Inputs::default());
    spawn(hub, watch(Arc::clone(hub)));
    spawn(hub, carry(Arc::clone(hub), Arc::clone(&inputs)));
    spawn(hub, read(Arc::clone(hub), inputs));
    spawn(hub, keep_time(Arc::clone(hub)));
}

fn spawn<R: Role>(hub: &Arc<Hub<R>>, task: impl Future<Output = ()> + Send + 'static) {
    let stopped = hub.stopped.clone();
    hub.io.spawn(Box::pin(async move { or(task, stopped.cancelled()).await }));
}

/// Tells the machine when the bus comes and goes.
async fn watch<R: Role>(hub: Arc<Hub<R>>) {
    let mut state = hub.bus.state();
    loop {
        match state {
            BusState::Connected(number) => {
                lose(&hub);
                info!(connection = number, "the bus is connected");
                hub.run(State::connected);
                hub.set_link(Link::Up(number));
            }
            BusState::Disconnected => {
                if lose(&hub) {
                    warn!("the bus is away; it is tried again");
                }
            }
            BusState::Closed => {
                lose(&hub);
                hub.set_link(Link::Closed);
                debug!("the bus is closed");
                hub.run(State::closed);
                return;
            }
        }
        state = hub.bus.changed(state).await;
    }
}

/// Tells the machine that its connection is lost. Returns false if it has none.
fn lose<R: Role>(hub: &Arc<Hub<R>>) -> bool {
    let was_up = matches!(hub.link.value(), Link::Up(_));
    if was_up {
        hub.set_link(Link::Down);
        hub.run(|machine, now| {
            machine.disconnected(now);
            hub.wire.retain(R::State::survives);
        });
    }
    was_up
}

/// Carries out the machine's orders, one after the other.
async fn carry<R: Role>(hub: Arc<Hub<R>>, inputs: Arc<Inputs>) {
    loop {
        let number = match hub.link.value() {
            Link::Up(number) => number,
            _ => hub.link.wait(|link| if let Link::Up(number) = link { Some(*number) } else { None }).await,
        };
        let order = hub.wire.next().await;
        let again = match carry_out(&hub, &order, &inputs).await {
            Ok(()) => None,
            Err(BusError::Disconnected(_)) => Some(order).filter(R::State::survives),
            Err(fault) => {
                match &order {
                    Order::Publish { subject, bytes } => {
                        error!(subject = %Sanitized(&subject), bytes = bytes.len(), error = %Sanitized(&fault), "a packet cannot be published");
                    }
                    Order::Reply { bytes, .. } => {
                        error!(bytes = bytes.len(), error = %Sanitized(&fault), "a request cannot be answered");
                    }
                    Order::Subscribe { subject, .. } | Order::Unsubscribe { subject } => {
                        error!(subject = %Sanitized(&subject), error = %Sanitized(&fault), "a subject cannot be subscribed to");
                    }
                }
                hub.wire.done(None);
                continue;
            }
        };
        let is_lost = again.is_some() || hub.link.value() != Link::Up(number);
        hub.wire.done(again);
        if is_lost {
            // The watching task notices it as well, and prepares the machine for the next connection.
            hub.link.wait(|link| (*link != Link::Up(number)).then_some(())).await;
        }
    }
}

async fn carry_out<R: Role>(hub: &Arc<Hub<R>>, order: &Order, inputs: &Inputs) -> Result<(), BusError> {
    match order {
        Order::Publish { subject, bytes } => {
            let message = Message { subject: subject.to_string(), reply: None, payload: bytes.clone() };
            hub.bus.publish(message).await
        }
        Order::Reply { to, bytes } => {
            hub.bus.publish(Message { subject: to.clone(), reply: None, payload: bytes.clone() }).await
        }
        // A subscription outlives connections, so it may be there still.
        Order::Subscribe { subject, .. } if inputs.has(subject) => Ok(()),
        Order::Subscribe { subject, manner } => {
            let name = subject.to_string();
            let subscription = match manner {
                Manner::Alone => hub.bus.subscribe(&name, None).await?,
                Manner::Group => hub.bus.subscribe(&name, Some(&name)).await?,
                Manner::Durable => hub.bus.subscribe_durable(&name).await?,
            };
            inputs.add(subject.clone(), subscription);
            Ok(())
        }
        Order::Unsubscribe { subject } => {
            for received in inputs.remove(subject) {
                pass(hub, subject, received);
            }
            Ok(())
        }
    }
}

/// Passes the messages of all subscriptions to the machine, one after the other.
async fn read<R: Role>(hub: Arc<Hub<R>>, inputs: Arc<Inputs>) {
    for number in 1_u64.. {
        hub.wire.room().await;
        let (subject, received) = poll_fn(|cx| inputs.poll(cx)).await;
        pass(&hub, &subject, received);
        if number % TURN == 0 {
            yield_now().await;
        }
    }
}

fn pass<R: Role>(hub: &Arc<Hub<R>>, subject: &Subject, received: Received) {
    let Received { message, acknowledgement, .. } = received;
    hub.run(|machine, now| machine.receive(now, subject, &message, acknowledgement));
}

/// Reports deadlines that have passed.
async fn keep_time<R: Role>(hub: Arc<Hub<R>>) {
    watch_deadlines(&*hub.io, &hub.clock, &hub.timer, || hub.arm(), || R::expire(&hub)).await;
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use nuncio_core::time::Time;

    use super::*;
    use crate::cap::MemoryBus;
    use crate::cap::bus::Acknowledge;
    use crate::cap::node::hub::Outputs;
    use crate::io::by_hand::ByHand;
    use crate::io::clock::Clock;

    struct Counting;

    impl Role for Counting {
        type State = Count;

        fn perform(_: &Arc<Hub<Counting>>, (): ()) {}
    }

    /// Counts the heartbeats that it receives.
    #[derive(Default)]
    struct Count {
        wants_subscription: bool,
        received: u64,
    }

    impl State for Count {
        type Action = ();

        fn connected(&mut self, _: Time) {
            self.wants_subscription = true;
        }

        fn disconnected(&mut self, _: Time) {}

        fn survives(_: &Order) -> bool {
            false
        }

        fn closed(&mut self, _: Time) {}

        fn receive(&mut self, _: Time, _: &Subject, _: &Message, _: Option<Box<dyn Acknowledge>>) {
            self.received += 1;
        }

        fn wall_set(&mut self, _: Time, _: Time) {}

        fn expire(&mut self, _: Time) {}

        fn deadline(&self) -> Option<Time> {
            None
        }

        fn dispatch(&mut self, _: Time, outputs: &mut Outputs<'_, ()>) {
            if std::mem::take(&mut self.wants_subscription) {
                outputs.order(Order::Subscribe { subject: Subject::Heartbeat, manner: Manner::Alone });
            }
        }
    }

    /// A hub on a bus, whose tasks are polled by hand.
    fn started() -> (Arc<ByHand>, MemoryBus, Arc<Hub<Counting>>) {
        let (io, bus) = (Arc::new(ByHand::default()), MemoryBus::new());
        let (thread, on) = (Arc::clone(&io) as Arc<dyn Io>, Arc::new(bus.clone()));
        let hub = Hub::new(Counting, Count::default(), Clock::start(), on, thread);
        start(&hub);
        (io, bus, hub)
    }

    fn publish_heartbeat(bus: &MemoryBus) {
        let heartbeat = Message { subject: Subject::Heartbeat.to_string(), ..Message::default() };
        block_on(bus.publish(heartbeat)).expect("the bus is there");
    }

    #[test]
    fn other_tasks_have_their_turn_after_a_number_of_messages() {
        let (io, bus, hub) = started();
        (0..5).for_each(|_| io.poll());
        for _ in 0..=TURN * 2 {
            publish_heartbeat(&bus);
        }
        for expected in [TURN, TURN * 2, TURN * 2 + 1] {
            io.poll();
            assert_eq!(hub.look(|state| state.received), expected);
        }
    }

    #[test]
    fn a_subscription_that_outlives_a_lost_connection_is_not_made_twice() {
        let (io, bus, hub) = started();
        for _ in 0..2 {
            (0..5).for_each(|_| io.poll());
            bus.cut();
            (0..5).for_each(|_| io.poll());
            bus.restore();
        }
        (0..5).for_each(|_| io.poll());
        publish_heartbeat(&bus);
        (0..5).for_each(|_| io.poll());
        assert_eq!(hub.look(|state| state.received), 1);
    }
}
