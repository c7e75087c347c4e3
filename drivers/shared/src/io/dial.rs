//! Connecting to a host by TCP.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Instant;

use super::clock::monotonic;
use super::driver::Driver;
use super::race::{Race, Step};
use super::{BoxFuture, Stream};

/// Resolves a host and connects to the first of its addresses that answers, with `sleep_until` as the timer. An address that is
/// silent holds up the next one for 250 ms, and one that fails not at all (RFC 8305). Attempts that lose are closed.
///
/// # Examples
///
/// ```no_run
/// use nuncio_smol::Smol;
/// use nuncio_smol::io::{BoxFuture, connect};
///
/// # async fn run() -> std::io::Result<()> {
/// let timer = |at| -> BoxFuture<'static, ()> { Box::pin(async move { _ = smol::Timer::at(at).await }) };
/// let stream = connect::<Smol>("agents.example".to_owned(), 7777, timer).await?;
/// # Ok(())
/// # }
/// ```
pub async fn connect<D: Driver>(
    host: String,
    port: u16,
    sleep_until: impl Fn(Instant) -> BoxFuture<'static, ()>,
) -> io::Result<Stream> {
    first(D::resolve(host, port).await?, D::dial, sleep_until, monotonic).await
}

async fn first<T>(
    addresses: Vec<SocketAddr>,
    dial: impl Fn(SocketAddr) -> BoxFuture<'static, io::Result<T>>,
    sleep_until: impl Fn(Instant) -> BoxFuture<'static, ()>,
    now: impl Fn() -> Instant,
) -> io::Result<T> {
    let mut race = Race::new(addresses);
    let mut attempts: Vec<(SocketAddr, BoxFuture<'static, io::Result<T>>)> = Vec::new();
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    let mut timer: Option<(Instant, BoxFuture<'static, ()>)> = None;
    poll_fn(move |cx| {
        loop {
            let mut place = 0;
            while let Some((address, attempt)) = attempts.get_mut(place) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(connection)) => return Poll::Ready(Ok(connection)),
                    Poll::Ready(Err(error)) => {
                        failures.push((*address, error));
                        drop(attempts.swap_remove(place));
                        race.failed();
                    }
                    Poll::Pending => place += 1,
                }
            }
            match race.step(now()) {
                Step::Start(address) => attempts.push((address, dial(address))),
                Step::Wait(None) => return Poll::Pending,
                Step::Wait(Some(at)) => {
                    if timer.as_ref().is_none_or(|(set, _)| *set != at) {
                        timer = Some((at, sleep_until(at)));
                    }
                    if let Some((_, sleep)) = &mut timer {
                        if sleep.as_mut().poll(cx).is_pending() {
                            return Poll::Pending;
                        }
                        timer = None;
                        race.waited();
                    }
                }
                Step::Lost => return Poll::Ready(Err(failed(std::mem::take(&mut failures)))),
            }
        }
    })
    .await
}

/// The error of an attempt, or of several, with their addresses and the kind of the last.
fn failed(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let Some((address, last)) = failures.pop() else {
        return io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    };
    if failures.is_empty() {
        return last;
    }
    let mut sentence = String::new();
    for (address, error) in &failures {
        // Writing to a string does not fail.
        let _infallible = write!(sentence, "{address}: {error}; ");
    }
    io::Error::new(last.kind(), format!("{sentence}{address}: {last}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::*;

    const SILENT: [u8; 4] = [10, 0, 0, 1];
    const REFUSING: [u8; 4] = [10, 0, 0, 2];
    const LISTENING: [u8; 4] = [10, 0, 0, 3];

    /// A network and a clock that the test sets.
    #[derive(Clone)]
    struct World {
        now: Arc<Mutex<Instant>>,
        tried: Arc<Mutex<Vec<[u8; 4]>>>,
    }

    impl World {
        fn new() -> World {
            World { now: Arc::new(Mutex::new(monotonic())), tried: Arc::default() }
        }

        fn connect(&self, hosts: &[[u8; 4]]) -> Pin<Box<impl Future<Output = io::Result<[u8; 4]>> + use<>>> {
            let addresses = hosts.iter().map(|host| SocketAddr::from((*host, 80))).collect();
            let (dialled, slept, clock) = (self.clone(), self.clone(), self.clone());
            let dial = move |address: SocketAddr| -> BoxFuture<'static, io::Result<[u8; 4]>> {
                let SocketAddr::V4(address) = address else { unreachable!("all hosts are IPv4") };
                let host = address.ip().octets();
                dialled.tried.lock().unwrap().push(host);
                match host {
                    LISTENING => Box::pin(async move { Ok(host) }),
                    REFUSING => Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) }),
                    _ => Box::pin(std::future::pending()),
                }
            };
            let sleep = move |at: Instant| -> BoxFuture<'static, ()> {
                let now = Arc::clone(&slept.now);
                Box::pin(poll_fn(move |_| if *now.lock().unwrap() >= at { Poll::Ready(()) } else { Poll::Pending }))
            };
            Box::pin(first(addresses, dial, sleep, move || *clock.now.lock().unwrap()))
        }

        fn pass(&self, time: Duration) {
            *self.now.lock().unwrap() += time;
        }

        fn tried(&self) -> Vec<[u8; 4]> {
            self.tried.lock().unwrap().clone()
        }
    }

    fn poll<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_second_address_is_reached_a_quarter_of_a_second_after_a_silent_one() {
        let world = World::new();
        let mut connecting = world.connect(&[SILENT, LISTENING]);
        assert!(poll(&mut connecting).is_pending());
        world.pass(Duration::from_millis(249));
        assert!(poll(&mut connecting).is_pending());
        assert_eq!(world.tried(), [SILENT]);
        world.pass(Duration::from_millis(1));
        assert!(matches!(poll(&mut connecting), Poll::Ready(Ok(LISTENING))));
        assert_eq!(world.tried(), [SILENT, LISTENING]);
    }

    #[test]
    fn an_address_that_refuses_is_passed_over_at_once() {
        let world = World::new();
        let mut connecting = world.connect(&[REFUSING, REFUSING, LISTENING]);
        assert!(matches!(poll(&mut connecting), Poll::Ready(Ok(LISTENING))));
    }

    #[test]
    fn the_error_names_every_address_and_has_the_kind_of_the_last() {
        let world = World::new();
        let Poll::Ready(Err(error)) = poll(&mut world.connect(&[REFUSING, REFUSING])) else { panic!("it has failed") };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string(), "10.0.0.2:80: connection refused; 10.0.0.2:80: connection refused");
        let Poll::Ready(Err(error)) = poll(&mut world.connect(&[REFUSING])) else { panic!("it has failed") };
        assert_eq!(error.to_string(), "connection refused");
        let Poll::Ready(Err(error)) = poll(&mut world.connect(&[])) else { panic!("it has failed") };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn silent_addresses_are_all_waited_for() {
        let world = World::new();
        let mut connecting = world.connect(&[SILENT, SILENT, REFUSING]);
        for _ in 0..10 {
            assert!(poll(&mut connecting).is_pending());
            world.pass(Duration::from_millis(250));
        }
        assert_eq!(world.tried(), [SILENT, SILENT, REFUSING]);
    }
}
