use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use nuncio_link::nats::NatsConfig;

use super::super::Asked;
use super::*;
use crate::io::logged::logged;

const NOW: Time = Time(1_000_000);

/// Returns a link whose login was accepted, and whose output is empty.
fn link(config: NatsConfig) -> NatsLink {
    let mut link = NatsLink::new(config, NOW);
    link.receive(NOW, b"INFO {\"server_id\":\"S\",\"version\":\"2.10.26\",\"headers\":true,\"max_payload\":1000}\r\n");
    while link.poll_event().is_some() {}
    link.login(NOW).expect("INFO has come");
    link.receive(NOW, b"PONG\r\n");
    assert_eq!(link.poll_event(), Some(NatsEvent::Ready));
    link.take_output(&mut Vec::new());
    link
}

fn hub(config: NatsConfig) -> Hub {
    let hub = Hub::new(2, usize::MAX).expect("the system has random numbers");
    hub.connected(link(config));
    hub
}

fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Returns what is to be written, as text.
fn output(hub: &Hub) -> String {
    let mut bytes = Vec::new();
    assert!(hub.take_output(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn receive(hub: &Hub, bytes: &[u8]) {
    assert_eq!(hub.run(|link| link.receive(NOW, bytes)).0, None, "the connection goes on");
}

fn message(text: &str) -> Message {
    Message { subject: "a".into(), reply: None, payload: text.to_owned().into() }
}

#[test]
fn nothing_is_read_while_many_answers_to_pings_are_not_written() {
    let hub = hub(NatsConfig::default());
    assert!(hub.wants_input());
    receive(&hub, &b"PING\r\n".repeat(100_000));
    assert!(!hub.wants_input());
    while !hub.wants_input() {
        assert!(output(&hub).starts_with("PONG\r\n"));
        hub.run(|_| ());
    }
}

#[test]
fn a_command_without_room_goes_on_once_bytes_are_written() {
    let hub = hub(NatsConfig { max_output: 100, ..NatsConfig::default() });
    let long = message(&"x".repeat(90));
    assert_eq!(poll(hub.publish(&long)), Poll::Ready(Ok(())));
    let mut waiting = pin!(hub.publish(&long));
    let woken = std::sync::Arc::new(Woken::default());
    let waker = Waker::from(std::sync::Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Pending);
    assert!(output(&hub).contains("PUB a 90"));
    assert!(!woken.0.load(Ordering::SeqCst));
    hub.wrote();
    assert!(woken.0.load(Ordering::SeqCst));
    assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn requests_have_answers_of_their_own_and_those_that_are_given_up_none() {
    let hub = hub(NatsConfig::default());
    let ask = || {
        let Poll::Ready(Ok(asked)) = poll(hub.request("a", b"?")) else { panic!("there is room") };
        asked
    };
    let (mut asked, (given_up, mut unanswered)) = ((ask(), ask(), ask()), ask());
    let commands = output(&hub);
    assert_eq!(commands.matches("SUB _INBOX").count(), 1, "{commands}");
    drop(Asked { hub: &hub, number: Some(given_up) });
    assert_eq!(lock(&hub.inner).requests.len(), 3);
    let answers = [(2, "third"), (given_up, "none"), (1, "second"), (0, "first")];
    for (number, text) in answers {
        receive(&hub, format!("MSG {}{number} 1 {}\r\n{text}\r\n", hub.inbox, text.len()).as_bytes());
    }
    let answer = |asked: &mut (u64, oneshot::Receiver<Result<Message, BusError>>)| {
        let answered = asked.1.try_recv().expect("the sender is there").expect("it was answered");
        String::from_utf8_lossy(&answered.expect("a message").payload).into_owned()
    };
    assert_eq!(
        (answer(&mut asked.0), answer(&mut asked.1), answer(&mut asked.2)),
        ("first".into(), "second".into(), "third".into())
    );
    assert!(unanswered.try_recv().is_err(), "it was given up");
}

#[test]
fn the_writer_is_woken_for_answers_to_pings_and_for_nothing_else_that_is_read() {
    let hub = hub(NatsConfig::default());
    assert_eq!(hub.poll_timeout(), Some(NOW.plus(NatsConfig::default().ping_interval)));
    receive(&hub, b"+OK\r\n");
    assert!(poll(hub.wanted.notified()).is_pending());
    receive(&hub, b"PING\r\n");
    assert!(poll(hub.wanted.notified()).is_ready());
}

#[test]
fn a_subscription_is_ended_at_the_server_and_not_begun_again() {
    let hub = hub(NatsConfig::default());
    let Poll::Ready(Ok((first, _))) = poll(hub.subscribe("a", None)) else { panic!("there is room") };
    let Poll::Ready(Ok((second, _))) = poll(hub.subscribe("b", Some("group"))) else { panic!("there is room") };
    hub.unsubscribe(first);
    assert_eq!(output(&hub), format!("SUB a {first}\r\nSUB b group {second}\r\nUNSUB {first}\r\n"));
    hub.disconnected("it broke");
    assert_eq!(poll(hub.publish(&message("x"))), Poll::Ready(Err(BusError::Disconnected("it broke".to_owned()))));
    assert_eq!(hub.state.value(), BusState::Disconnected);
    hub.connected(link(NatsConfig::default()));
    assert_eq!(hub.state.value(), BusState::Connected(2));
    assert_eq!(output(&hub), format!("SUB b group {second}\r\n"));
}

#[test]
fn commands_are_refused_while_the_bus_is_being_closed() {
    let hub = hub(NatsConfig::default());
    hub.close();
    assert_eq!(poll(hub.publish(&message("late"))), Poll::Ready(Err(BusError::Closed)));
    assert_eq!(output(&hub), "");
}

#[test]
fn messages_that_are_dropped_are_counted_and_the_first_in_a_row_is_logged() {
    let hub = hub(NatsConfig::default());
    let Poll::Ready(Ok((sid, _inbox))) = poll(hub.subscribe("a", None)) else { panic!("there is room") };
    let one = format!("MSG a {sid} 1\r\nx\r\n");
    let logs = logged(|| receive(&hub, one.repeat(2).as_bytes()));
    assert_eq!((hub.dropped(), logs.as_str()), (0, ""));
    let logs = logged(|| receive(&hub, one.repeat(3).as_bytes()));
    assert_eq!((hub.dropped(), logs.matches("a subscriber is too slow").count()), (3, 1), "{logs}");
}

#[test]
fn what_the_server_reports_is_logged() {
    let hub = hub(NatsConfig::default());
    let Poll::Ready(Ok((sid, _inbox))) = poll(hub.subscribe("a", None)) else { panic!("there is room") };
    let logs = logged(|| receive(&hub, b"-ERR 'Permissions Violation for Publish to \"b\"'\r\n"));
    assert!(logs.starts_with("WARN") && logs.contains("Permissions Violation"), "{logs}");
    let unreadable = [b"MSG ", &[0xff][..], format!(" {sid} 1\r\nx\r\n").as_bytes()].concat();
    let logs = logged(|| receive(&hub, &unreadable));
    assert!(logs.starts_with("WARN") && logs.contains("not UTF-8"), "{logs}");
    assert_eq!(hub.dropped(), 1);
}
