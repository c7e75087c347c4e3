//! The bus on a real nats-server.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use nuncio_shared::cap::{Bus as _, BusError, BusState, Message, NatsOptions, Subscription};
use nuncio_tests::peers::{Nats, wanted};
use smol::stream::StreamExt as _;

use super::on::{self, NatsBus};

/// A limit that a test reaches only if it fails.
const LONG: Duration = Duration::from_mins(1);

fn options(nats: &Nats) -> NatsOptions {
    NatsOptions::new(&nats.url()).expect("the URL of the server")
}

async fn connect(nats: &Nats) -> NatsBus {
    on::connect(options(nats)).await.expect("the server runs")
}

fn message(subject: &str, payload: &str) -> Message {
    Message { subject: subject.to_owned(), payload: payload.to_owned().into(), reply: None }
}

async fn next(subscription: &mut Subscription) -> Message {
    subscription.next().await.expect("the bus is open").message
}

async fn until(bus: &NatsBus, wanted: impl Fn(BusState) -> bool) -> BusState {
    let mut state = bus.state();
    while !wanted(state) {
        state = bus.changed(state).await;
    }
    state
}

#[test]
fn the_thread_of_a_bus_ends_once_it_is_dropped() {
    if !wanted("the_thread_of_a_bus_ends_once_it_is_dropped") {
        return;
    }
    let nats = Nats::start(&[]);
    on::within(|| {
        on::block_on(async {
            let bus = connect(&nats).await;
            let (held, ended) = std::sync::mpsc::channel::<()>();
            bus.thread().expect("it has one").spawn(Box::pin(async move {
                std::future::pending::<()>().await;
                drop(held);
            }));
            bus.flush().await.expect("the server runs");
            drop(bus);
            let ended = smol::unblock(move || ended.recv_timeout(LONG)).await;
            assert_eq!(ended, Err(RecvTimeoutError::Disconnected), "the thread drops its tasks");
        });
    });
}

#[test]
fn messages_reach_subscribers_and_one_of_a_group() {
    if !wanted("messages_reach_subscribers_and_one_of_a_group") {
        return;
    }
    let nats = Nats::start(&[]);
    on::within(|| {
        on::block_on(async {
            let (bus, other) = (connect(&nats).await, connect(&nats).await);
            let mut all = bus.subscribe("job.>", None).await.expect("it is valid");
            let mut first = bus.subscribe("job.*", Some("workers")).await.expect("it is valid");
            let mut second = other.subscribe("job.*", Some("workers")).await.expect("it is valid");
            bus.flush().await.expect("the server runs");
            other.flush().await.expect("the server runs");
            for number in 0..100 {
                other.publish(message("job.echo", &number.to_string())).await.expect("the server runs");
            }
            other.publish(message("job.end.now", "")).await.expect("the server runs");
            for number in 0..100 {
                assert_eq!(next(&mut all).await, message("job.echo", &number.to_string()));
            }
            assert_eq!(next(&mut all).await.subject, "job.end.now");
            // The members of the group have got each message once.
            other.flush().await.expect("the server runs");
            bus.flush().await.expect("the server runs");
            drop((bus, other));
            let (first, second): (Vec<_>, Vec<_>) = ((&mut first).collect().await, (&mut second).collect().await);
            let mut numbers: Vec<u32> = first
                .iter()
                .chain(&second)
                .map(|received| {
                    std::str::from_utf8(&received.message.payload).expect("text").parse().expect("a number")
                })
                .collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        });
    });
}

#[test]
fn requests_are_answered_or_fail_with_their_reason() {
    if !wanted("requests_are_answered_or_fail_with_their_reason") {
        return;
    }
    let nats = Nats::start(&[]);
    on::within(|| {
        on::block_on(async {
            let (bus, server) = (connect(&nats).await, connect(&nats).await);
            let none = bus.request("job.none", "x".into(), LONG).await;
            assert_eq!(none, Err(BusError::NoResponders("job.none".to_owned())));

            let mut asked = server.subscribe("job.echo", None).await.expect("it is valid");
            server.flush().await.expect("the server runs");
            let answers = async {
                for _ in 0..3 {
                    let request = next(&mut asked).await;
                    let reply = request.reply.expect("a request has a subject for its answer");
                    let answer = Message { subject: reply, reply: None, payload: request.payload };
                    server.publish(answer).await.expect("the server runs");
                }
                asked
            };
            let requests = async {
                for payload in ["a", "b", "c"] {
                    let answer = bus.request("job.echo", payload.into(), LONG).await.expect("it is answered");
                    assert_eq!(answer.payload, payload);
                }
            };
            let (asked, ()) = smol::future::zip(answers, requests).await;
            let limit = Duration::from_millis(1);
            let late = bus.request("job.echo", "x".into(), limit).await;
            assert_eq!(late, Err(BusError::Timeout { subject: "job.echo".to_owned(), limit }));
            drop(asked);
        });
    });
}

#[test]
fn a_server_that_comes_back_finds_the_subscriptions_again() {
    if !wanted("a_server_that_comes_back_finds_the_subscriptions_again") {
        return;
    }
    let mut nats = Nats::start(&[]);
    on::within(|| {
        on::block_on(async {
            let bus = connect(&nats).await;
            assert_eq!(bus.state(), BusState::Connected(1));
            let mut jobs = bus.subscribe("job.*", Some("workers")).await.expect("it is valid");
            assert_eq!(bus.request("none", "".into(), LONG).await, Err(BusError::NoResponders("none".to_owned())));
            for epoch in 2..4 {
                nats.kill();
                assert_eq!(until(&bus, |state| state == BusState::Disconnected).await, BusState::Disconnected);
                assert!(matches!(bus.publish(message("job.a", "")).await, Err(BusError::Disconnected(_))));
                assert!(matches!(bus.flush().await, Err(BusError::Disconnected(_))));
                nats.restart();
                assert_eq!(until(&bus, |state| state != BusState::Disconnected).await, BusState::Connected(epoch));
                bus.publish(message("job.a", "again")).await.expect("the server runs");
                assert_eq!(next(&mut jobs).await, message("job.a", "again"));
            }
            // The subject of answers is subscribed to again, too.
            assert_eq!(bus.request("other", "".into(), LONG).await, Err(BusError::NoResponders("other".to_owned())));
        });
    });
}

#[test]
fn a_server_that_is_not_there_is_reported() {
    // Nothing listens on the port once the socket is closed.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let mut options = NatsOptions::new(&format!("nats://127.0.0.1:{port}")).expect("a URL");
    options.connect_within = Duration::ZERO;
    on::within(|| {
        let error = on::block_on(on::connect(options)).expect_err("nothing listens");
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
    });
}

#[test]
fn messages_beyond_the_limit_of_the_server_are_refused() {
    if !wanted("messages_beyond_the_limit_of_the_server_are_refused") {
        return;
    }
    let nats = Nats::start(&[]);
    on::within(|| {
        on::block_on(async {
            let bus = connect(&nats).await;
            let mut messages = bus.subscribe("a", None).await.expect("it is valid");
            let sized = |bytes| Message { payload: vec![b'x'; bytes].into(), ..message("a", "") };
            bus.publish(sized(1 << 20)).await.expect("the server accepts 1 MiB");
            let refused = bus.publish(sized((1 << 20) + 1)).await;
            let Err(BusError::Refused(reason)) = refused else { panic!("{refused:?}") };
            assert!(reason.contains("1048577") && reason.contains("1048576"), "{reason}");
            for subject in ["", "a b", "a\r\nPUB b 0\r\n", "a.*", "a..b"] {
                let refused = bus.publish(message(subject, "")).await;
                assert!(matches!(refused, Err(BusError::Refused(_))), "{subject:?}: {refused:?}");
            }
            assert_eq!(next(&mut messages).await.payload.len(), 1 << 20);
            assert_eq!(bus.state(), BusState::Connected(1));
        });
    });
}

#[test]
fn a_slow_subscriber_loses_the_newest_messages_and_they_are_counted() {
    if !wanted("a_slow_subscriber_loses_the_newest_messages_and_they_are_counted") {
        return;
    }
    let nats = Nats::start(&[]);
    on::within(|| {
        on::block_on(async {
            let mut options = options(&nats);
            options.subscription_messages = 3;
            let bus = on::connect(options).await.expect("the server runs");
            let mut slow = bus.subscribe("a", None).await.expect("it is valid");
            for number in 0..10 {
                bus.publish(message("a", &number.to_string())).await.expect("the server runs");
            }
            bus.flush().await.expect("the server runs");
            while bus.dropped() < 7 {
                smol::future::yield_now().await;
            }
            assert_eq!(bus.dropped(), 7);
            for number in 0..3 {
                assert_eq!(next(&mut slow).await.payload, number.to_string());
            }
            bus.publish(message("a", "later")).await.expect("the server runs");
            assert_eq!(next(&mut slow).await.payload, "later");
        });
    });
}

#[test]
fn a_bus_that_is_closed_writes_what_was_published_and_ends_its_subscriptions() {
    if !wanted("a_bus_that_is_closed_writes_what_was_published_and_ends_its_subscriptions") {
        return;
    }
    let nats = Nats::start(&[]);
    on::within(|| {
        on::block_on(async {
            let (bus, other) = (connect(&nats).await, connect(&nats).await);
            let mut messages = other.subscribe("a", None).await.expect("it is valid");
            other.flush().await.expect("the server runs");
            let mut own = bus.subscribe("b", None).await.expect("it is valid");
            bus.publish(message("a", "last")).await.expect("the server runs");
            bus.close().await;
            assert_eq!(bus.state(), BusState::Closed);
            assert_eq!(bus.publish(message("a", "")).await, Err(BusError::Closed));
            assert!(own.next().await.is_none());
            assert_eq!(next(&mut messages).await.payload, "last");
            drop(other);
            assert!(messages.next().await.is_none(), "the last handle has gone");
        });
    });
}
