//! The bus within one process behaves like core NATS.

use std::time::Duration;

use futures_lite::StreamExt as _;
use futures_lite::future::{block_on, poll_once};

use super::*;
use crate::io::logged::logged;

fn message(subject: &str, text: &str) -> Message {
    Message { subject: subject.to_owned(), reply: None, payload: Bytes::copy_from_slice(text.as_bytes()) }
}

/// Returns the messages that wait for a subscriber.
async fn waiting(subscription: &mut Subscription) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(Some(received)) = poll_once(subscription.next()).await {
        texts.push(String::from_utf8(received.message.payload.to_vec()).unwrap());
    }
    texts
}

#[test]
fn every_subscriber_gets_a_message_and_one_of_each_group() {
    block_on(async {
        let bus = MemoryBus::new();
        let mut alone = bus.subscribe("job.>", None).await.unwrap();
        let mut first = bus.subscribe("job.echo", Some("job.echo")).await.unwrap();
        let mut second = bus.another().subscribe("job.echo", Some("job.echo")).await.unwrap();
        for text in ["1", "2", "3", "4"] {
            bus.publish(message("job.echo", text)).await.unwrap();
        }
        assert_eq!(waiting(&mut alone).await, ["1", "2", "3", "4"]);
        // The connection of the second member is gone with its last clone.
        assert_eq!(waiting(&mut first).await, ["1", "2", "3", "4"]);
        assert!(second.next().await.is_none());
    });
}

#[test]
fn members_of_a_group_take_turns() {
    block_on(async {
        let bus = MemoryBus::new();
        let mut first = bus.subscribe("job.echo", Some("group")).await.unwrap();
        let mut second = bus.subscribe("job.echo", Some("group")).await.unwrap();
        for text in ["1", "2", "3", "4"] {
            bus.publish(message("job.echo", text)).await.unwrap();
        }
        assert_eq!((waiting(&mut first).await.len(), waiting(&mut second).await.len()), (2, 2));
    });
}

#[test]
fn a_full_buffer_drops_messages_and_counts_them() {
    block_on(async {
        let bus = MemoryBus::with_capacity(2);
        let mut slow = bus.subscribe("a", None).await.unwrap();
        let publish = |text| logged(|| block_on(bus.publish(message("a", text))).unwrap());
        assert_eq!((publish("1"), publish("2")), (String::new(), String::new()));
        assert_eq!(bus.dropped(), 0);
        let logs = publish("3");
        assert!(logs.starts_with("WARN") && logs.contains("its subscriber is too slow"), "{logs}");
        assert_eq!(bus.dropped(), 1);
        assert_eq!(waiting(&mut slow).await, ["1", "2"]);
    });
}

#[test]
fn a_cut_connection_neither_sends_nor_receives_until_it_is_restored() {
    block_on(async {
        let bus = MemoryBus::new();
        let other = bus.another();
        let mut subscription = bus.subscribe("a", None).await.unwrap();
        bus.cut();
        assert_eq!(bus.state(), BusState::Disconnected);
        assert!(matches!(bus.publish(message("a", "own")).await, Err(BusError::Disconnected(_))));
        assert!(matches!(bus.flush().await, Err(BusError::Disconnected(_))));
        other.publish(message("a", "in the gap")).await.unwrap();
        bus.restore();
        assert_eq!(bus.changed(BusState::Disconnected).await, BusState::Connected(2));
        other.publish(message("a", "after it")).await.unwrap();
        assert_eq!(waiting(&mut subscription).await, ["after it"]);
    });
}

#[test]
fn a_request_is_answered_or_fails_for_a_reason() {
    block_on(async {
        let bus = MemoryBus::new();
        let ask = |limit| bus.request("ask", "?".into(), limit);
        assert_eq!(ask(Duration::from_mins(1)).await, Err(BusError::NoResponders("ask".to_owned())));
        let mut asked = bus.subscribe("ask", None).await.unwrap();
        let limit = Duration::from_millis(1);
        assert_eq!(ask(limit).await, Err(BusError::Timeout { subject: "ask".to_owned(), limit }));
        asked.next().await.unwrap();
        let answer = async {
            let question = asked.next().await.unwrap().message;
            bus.publish(message(&question.reply.unwrap(), "!")).await.unwrap();
            std::future::pending().await
        };
        let answered = futures_lite::future::or(ask(Duration::from_mins(1)), answer).await.unwrap();
        assert_eq!(answered.payload, "!");
    });
}

#[test]
fn a_subscription_that_is_dropped_is_none() {
    block_on(async {
        let bus = MemoryBus::new();
        drop(bus.subscribe("a", None).await.unwrap());
        let asked = bus.request("a", Bytes::new(), Duration::from_mins(1)).await;
        assert_eq!(asked, Err(BusError::NoResponders("a".to_owned())));
    });
}

#[test]
fn a_closed_bus_ends_its_subscriptions_and_refuses_everything() {
    block_on(async {
        let bus = MemoryBus::new();
        let mut subscription = bus.subscribe("a", None).await.unwrap();
        bus.publish(message("a", "last")).await.unwrap();
        bus.close().await;
        assert_eq!(waiting(&mut subscription).await, ["last"]);
        assert!(subscription.next().await.is_none());
        assert_eq!(bus.publish(message("a", "")).await, Err(BusError::Closed));
        bus.restore();
        assert_eq!(bus.state(), BusState::Closed, "a closed bus stays closed");
    });
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    block_on(async {
        let large = Message { payload: Bytes::from(vec![0; MAX_PAYLOAD + 1]), ..message("a", "") };
        assert!(matches!(MemoryBus::new().publish(large).await, Err(BusError::Refused(_))));
    });
}
