//! A machine behind one lock.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_lite::future::or;
use nuncio_core::cap::Subject;
use nuncio_core::time::Time;

use super::wire::{Order, Wire};
use crate::cap::bus::{Acknowledge, Bus, BusError, BusState, Message};
use crate::io::Io;
use crate::io::clock::{Clock, Reading, WallClock, WallStep, monotonic};
use crate::io::sync::{CancellationToken, Signal, Watch, lock};
use crate::io::timer::Armed;

/// What a worker, a client or a router does beside its machine.
pub(crate) trait Role: Send + Sync + Sized + 'static {
    /// What the lock guards.
    type State: State;

    /// Performs an action that an input has caused. The lock is free.
    fn perform(hub: &Arc<Hub<Self>>, action: <Self::State as State>::Action);

    /// Reports that a deadline has passed.
    fn expire(hub: &Arc<Hub<Self>>) {
        hub.run(State::expire);
    }
}

/// A machine with the tables of its driver.
pub(crate) trait State: Send + 'static {
    /// What is done once the lock is free.
    type Action;

    /// The bus is there.
    fn connected(&mut self, now: Time);

    /// The bus is away.
    fn disconnected(&mut self, now: Time);

    /// Whether an order is carried out on the next connection if the present one is lost.
    fn survives(order: &Order) -> bool;

    /// The bus is closed for good.
    fn closed(&mut self, now: Time);

    /// A packet has come.
    fn receive(
        &mut self,
        now: Time,
        subject: &Subject,
        message: &Message,
        acknowledgement: Option<Box<dyn Acknowledge>>,
    );

    /// The wall clock was set, and shows `wall`.
    fn wall_set(&mut self, now: Time, wall: Time);

    /// A deadline has passed.
    fn expire(&mut self, now: Time);

    /// Returns the next deadline.
    fn deadline(&self) -> Option<Time>;

    /// Takes in all outputs of the machine, in their order.
    fn dispatch(&mut self, now: Time, outputs: &mut Outputs<'_, Self::Action>);
}

/// Where the outputs of a machine go.
pub(crate) struct Outputs<'a, A> {
    wire: &'a Wire,
    actions: Vec<A>,
}

impl<A> Outputs<'_, A> {
    pub(crate) fn order(&mut self, order: Order) {
        self.wire.push(order);
    }

    pub(crate) fn action(&mut self, action: A) {
        self.actions.push(action);
    }
}

/// The state that the tasks and handles of one worker, client or router share.
pub(crate) struct Hub<R: Role> {
    pub(crate) role: R,
    state: Mutex<Guarded<R::State>>,
    pub(crate) clock: Clock,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) io: Arc<dyn Io>,
    pub(crate) wire: Wire,
    /// Notified when the next deadline has moved to an earlier time.
    pub(super) timer: Signal,
    /// The connection that the machine knows of.
    pub(super) link: Watch<Link>,
    /// When that was set.
    linked: Mutex<Instant>,
    pub(super) stopped: CancellationToken,
}

/// Whether a worker, a client or a router has a connection to its bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its state.
    pub state: BusState,
    /// How long it has been in this state.
    pub since: Duration,
}

/// The connection that a machine knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Down,
    /// The number of the connection.
    Up(u64),
    Closed,
}

struct Guarded<S> {
    state: S,
    /// What the machine was told of the wall clock.
    wall: WallClock,
    /// The time that the timer waits for.
    armed: Armed,
}

impl<R: Role> Hub<R> {
    pub(crate) fn new(role: R, state: R::State, clock: Clock, bus: Arc<dyn Bus>, io: Arc<dyn Io>) -> Arc<Hub<R>> {
        // The machine was made with the time of the clock, which began with the wall clock.
        let wall = WallClock::default();
        Arc::new(Hub {
            role,
            state: Mutex::new(Guarded { state, wall, armed: Armed::default() }),
            clock,
            bus,
            io,
            wire: Wire::default(),
            timer: Signal::default(),
            link: Watch::new(Link::Down),
            linked: Mutex::new(monotonic()),
            stopped: CancellationToken::new(),
        })
    }

    /// Runs one input, dispatches the machine's outputs in their order, releases the lock, then performs the actions.
    pub(crate) fn run<T>(self: &Arc<Self>, input: impl FnOnce(&mut R::State, Time) -> T) -> T {
        let mut outputs = Outputs { wire: &self.wire, actions: Vec::new() };
        let mut guarded = lock(&self.state);
        let reading = self.clock.follow(guarded.wall);
        let (now, step) = guarded.read_clock(reading);
        let answer = input(&mut guarded.state, now);
        guarded.state.dispatch(now, &mut outputs);
        let is_earlier = guarded.armed.is_after(guarded.state.deadline());
        drop(guarded);
        self.wire.wake();
        if is_earlier {
            self.timer.notify();
        }
        if let Some(step) = step {
            step.log();
        }
        for action in outputs.actions {
            R::perform(self, action);
        }
        answer
    }

    /// Looks at the machine.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&R::State) -> T) -> T {
        look(&lock(&self.state).state)
    }

    /// Notes which connection the machine knows of.
    pub(super) fn set_link(&self, link: Link) {
        *lock(&self.linked) = monotonic();
        self.link.set(link);
    }

    /// Returns whether the machine has a connection, and since when that is so.
    pub(crate) fn connection(&self) -> Connection {
        let since = lock(&self.linked).elapsed();
        match self.link.value() {
            Link::Down => Connection { state: BusState::Disconnected, since },
            Link::Up(number) => Connection { state: BusState::Connected(number), since },
            Link::Closed => Connection { state: BusState::Closed, since },
        }
    }

    /// Returns the next deadline, which the timer waits for from now on.
    pub(super) fn arm(&self) -> Option<Time> {
        let mut guarded = lock(&self.state);
        let next = guarded.state.deadline();
        guarded.armed.set(next)
    }

    /// Waits until the machine knows of a connection and the server has everything that it has subscribed to and published.
    pub(crate) async fn settled(&self) -> Result<(), BusError> {
        let known = |link: &Link| match link {
            Link::Down => None,
            Link::Up(number) => Some(Ok(*number)),
            Link::Closed => Some(Err(BusError::Closed)),
        };
        loop {
            let number = self.link.wait(known).await?;
            let is_lost = self.link.wait(|link| (*link != Link::Up(number)).then_some(()));
            let is_idle = async {
                self.wire.idle().await;
                Some(self.bus.flush().await)
            };
            let lost = async {
                is_lost.await;
                None
            };
            match or(is_idle, lost).await {
                None | Some(Err(BusError::Disconnected(_))) => {
                    self.link.wait(|link| (*link != Link::Up(number)).then_some(())).await;
                }
                Some(flushed) => return flushed,
            }
        }
    }

    /// Waits until the server has everything that was published. Without a connection, it waits only for what the next
    /// connection would carry, so that nothing else keeps a worker whose bus is away.
    pub(crate) async fn delivered(&self) -> Result<(), BusError> {
        let nothing_is_kept = async {
            loop {
                self.link.wait(|link| (!matches!(link, Link::Up(_))).then_some(())).await;
                let is_back = async {
                    self.link.wait(|link| matches!(link, Link::Up(_)).then_some(())).await;
                    false
                };
                let is_empty = async {
                    self.wire.without(R::State::survives).await;
                    true
                };
                if or(is_empty, is_back).await {
                    return Ok(());
                }
            }
        };
        or(nothing_is_kept, self.settled()).await
    }

    /// Returns how many orders wait that the next connection would carry out if this one were lost.
    pub(crate) fn kept(&self) -> usize {
        self.wire.count(R::State::survives)
    }

    /// Ends all tasks.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }

    /// Waits until the tasks have to end.
    pub(crate) async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Returns whether the tasks have to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_cancelled()
    }
}

impl<S: State> Guarded<S> {
    /// Tells the machine of the wall clock if that was set. Returns the time of the next input, and the step if it is to be
    /// logged.
    fn read_clock(&mut self, reading: Reading) -> (Time, Option<WallStep>) {
        let state = &mut self.state;
        (reading.now, self.wall.follow(reading, |now, wall| state.wall_set(now, wall)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cap::MemoryBus;
    use crate::cap::node::link;
    use crate::io::by_hand::ByHand;
    use crate::io::clock::{TICK, monotonic};

    struct Idle;

    impl Role for Idle {
        type State = Deadline;

        fn perform(_: &Arc<Hub<Idle>>, (): ()) {}
    }

    /// A machine that has nothing but a deadline.
    struct Deadline(Option<Time>);

    impl State for Deadline {
        type Action = ();

        fn connected(&mut self, _: Time) {}

        fn disconnected(&mut self, _: Time) {}

        fn survives(_: &Order) -> bool {
            false
        }

        fn closed(&mut self, _: Time) {}

        fn receive(&mut self, _: Time, _: &Subject, _: &Message, _: Option<Box<dyn Acknowledge>>) {}

        fn wall_set(&mut self, _: Time, _: Time) {}

        fn expire(&mut self, _: Time) {}

        fn deadline(&self) -> Option<Time> {
            self.0
        }

        fn dispatch(&mut self, _: Time, _: &mut Outputs<'_, ()>) {}
    }

    /// A timer that only looked once a second would act on a deadline up to a second late.
    #[test]
    fn the_timer_waits_for_a_deadline_that_an_input_has_brought_nearer() {
        let (io, clock) = (Arc::new(ByHand::default()), Clock::start());
        let now = clock.now();
        let hub = Hub::new(Idle, Deadline(None), clock, Arc::new(MemoryBus::new()), Arc::clone(&io) as Arc<dyn Io>);
        link::start(&hub);
        io.poll();
        assert_eq!(io.timers().len(), 1);
        for (timers, millis) in [(2, 300), (3, 200), (4, 100)] {
            let in_a_second = monotonic() + TICK;
            hub.run(|state, _| state.0 = Some(now.plus(Duration::from_millis(millis))));
            io.poll();
            assert_eq!(io.timers().len(), timers);
            assert!(io.timers()[timers - 1] < in_a_second);
        }
        hub.run(|state, _| state.0 = Some(now.plus(Duration::from_millis(200))));
        io.poll();
        assert_eq!(io.timers().len(), 4, "it looks at the next deadline once it has passed");
    }
}
