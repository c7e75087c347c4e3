//! The subscriptions of one node, read as one.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use nuncio_core::cap::Subject;

use crate::cap::bus::{Received, Subscription};
use crate::io::sync::lock;

/// The subscriptions of one node. Their messages are taken in the order in which they arrived.
///
/// Messages without an [arrival](Received::arrival) are taken in the order in which they were found, except that progress
/// that is there is taken before a result.
#[derive(Default)]
pub(super) struct Inputs {
    sources: Mutex<Sources>,
}

#[derive(Default)]
struct Sources {
    all: Vec<Source>,
    /// Counts the messages that were found, for those without an arrival.
    found: u64,
    /// How much progress was taken before the result that is next.
    overtaken: usize,
    /// Wakes the task that waits for the next message.
    waker: Option<Waker>,
}

struct Source {
    subject: Subject,
    subscription: Subscription,
    /// The next message, with its place in the order.
    next: Option<(u64, Received)>,
}

/// The most progress that is taken before a result without an arrival: as many messages as wait in a subscription by default.
/// More of it cannot keep a result back for ever.
const MAX_OVERTAKEN: usize = 65_536;

impl Inputs {
    /// Returns whether a subject is subscribed to.
    pub(super) fn has(&self, subject: &Subject) -> bool {
        lock(&self.sources).position(subject).is_some()
    }

    /// Adds the subscription to a subject that has none.
    pub(super) fn add(&self, subject: Subject, subscription: Subscription) {
        let mut sources = lock(&self.sources);
        sources.all.push(Source { subject, subscription, next: None });
        let waker = sources.waker.take();
        drop(sources);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Ends the subscription to a subject. Returns its messages that are there.
    pub(super) fn remove(&self, subject: &Subject) -> Vec<Received> {
        let mut sources = lock(&self.sources);
        let removed = sources.position(subject).map(|at| sources.all.remove(at));
        drop(sources);
        let Some(mut source) = removed else { return Vec::new() };
        let mut rest: Vec<Received> = source.next.take().into_iter().map(|(_, received)| received).collect();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(received)) = source.subscription.as_mut().poll_next(&mut cx) {
            rest.push(received);
        }
        rest
    }

    /// Returns the next message. It waits while there is none, and while there is no subscription.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<(Subject, Received)> {
        let mut ended = Vec::new();
        let mut sources = lock(&self.sources);
        let next = sources.next(cx, &mut ended);
        let former = if next.is_none() { sources.waker.replace(cx.waker().clone()) } else { None };
        drop(sources);
        drop((former, ended));
        next.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Sources {
    fn position(&self, subject: &Subject) -> Option<usize> {
        self.all.iter().position(|source| source.subject == *subject)
    }

    fn next(&mut self, cx: &mut Context<'_>, ended: &mut Vec<Source>) -> Option<(Subject, Received)> {
        // A message may come to a subscription that was found empty a moment ago, and a later one to the next. So all are asked
        // again once a message was found: those that arrived before it are there then.
        loop {
            let is_known = self.first().is_some();
            self.ask(cx, ended);
            if is_known {
                break;
            }
            self.first()?;
        }
        let first = self.first()?;
        let progress =
            self.all.iter().position(|source| source.subject == Subject::JobProgress && source.is_unordered());
        let is_result =
            self.all.get(first).is_some_and(|source| source.subject == Subject::JobResult && source.is_unordered());
        let at = match progress {
            Some(progress) if is_result && self.overtaken < MAX_OVERTAKEN => {
                self.overtaken += 1;
                progress
            }
            _ if is_result => {
                self.overtaken = 0;
                first
            }
            _ => first,
        };
        let source = self.all.get_mut(at)?;
        source.next.take().map(|(_, received)| (source.subject.clone(), received))
    }

    /// Takes the next message of each subscription of which none is known, if there is one.
    fn ask(&mut self, cx: &mut Context<'_>, ended: &mut Vec<Source>) {
        let Sources { all, found, .. } = self;
        let has_ended = |source: &mut Source| {
            if source.next.is_some() {
                return false;
            }
            match source.subscription.as_mut().poll_next(cx) {
                Poll::Ready(Some(received)) => {
                    *found += 1;
                    source.next = Some((received.arrival.unwrap_or(*found), received));
                    false
                }
                Poll::Ready(None) => true,
                Poll::Pending => false,
            }
        };
        ended.extend(all.extract_if(.., has_ended));
    }

    /// Returns the index of the subscription whose next message is the first.
    fn first(&self) -> Option<usize> {
        let known = self.all.iter().enumerate().filter_map(|(at, source)| Some((source.next.as_ref()?.0, at)));
        known.min().map(|(_, at)| at)
    }
}

impl Source {
    /// Returns whether there is a next message, and it has no arrival.
    fn is_unordered(&self) -> bool {
        self.next.as_ref().is_some_and(|(_, received)| received.arrival.is_none())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;

    use futures_core::Stream;

    use super::*;
    use crate::cap::bus::Message;
    use crate::cap::bus::inbox::{Inbox, Messages};

    /// A subscription whose messages have their arrival only if the test says so.
    struct Of(Messages<fn()>, bool);

    impl Stream for Of {
        type Item = Received;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
            let is_ordered = self.1;
            let next = Pin::new(&mut self.0).poll_next(cx);
            next.map(|next| next.map(|next| Received { arrival: next.arrival.filter(|_| is_ordered), ..next }))
        }
    }

    fn inputs(subjects: &[Subject], is_ordered: bool) -> (Inputs, Vec<Arc<Inbox>>) {
        let inputs = Inputs::default();
        let add = |subject: &Subject| {
            let inbox = Arc::new(Inbox::new(usize::MAX, usize::MAX));
            let messages: Messages<fn()> = Messages { inbox: Arc::clone(&inbox), leave: || () };
            inputs.add(subject.clone(), Box::pin(Of(messages, is_ordered)));
            inbox
        };
        let inboxes = subjects.iter().map(add).collect();
        (inputs, inboxes)
    }

    fn push(inbox: &Inbox, text: &str) {
        inbox.push(Message { subject: text.to_owned(), ..Message::default() });
    }

    fn taken(inputs: &Inputs) -> Vec<String> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut taken = Vec::new();
        while let Poll::Ready((_, received)) = inputs.poll(&mut cx) {
            taken.push(received.message.subject);
        }
        taken
    }

    const SUBJECTS: [Subject; 3] = [Subject::JobResult, Subject::JobProgress, Subject::Heartbeat];

    #[test]
    fn messages_are_taken_in_the_order_in_which_they_arrived() {
        let (inputs, inboxes) = inputs(&SUBJECTS, true);
        let order = [2, 1, 1, 0, 1, 2, 0];
        let names: Vec<String> = (0..order.len()).map(|number| number.to_string()).collect();
        for (inbox, name) in order.iter().zip(&names) {
            push(&inboxes[*inbox], name);
        }
        assert_eq!(taken(&inputs), names);
    }

    #[test]
    fn progress_is_taken_before_results_where_the_bus_knows_no_order() {
        let (inputs, inboxes) = inputs(&SUBJECTS, false);
        for (inbox, name) in [(1, "progress 1"), (1, "progress 2"), (0, "result 1"), (2, "heartbeat"), (0, "result 2")]
        {
            push(&inboxes[inbox], name);
        }
        assert_eq!(taken(&inputs), ["progress 1", "progress 2", "result 1", "heartbeat", "result 2"]);
    }

    #[test]
    fn progress_without_end_keeps_no_result_back() {
        let (inputs, inboxes) = inputs(&SUBJECTS, false);
        push(&inboxes[0], "result");
        for _ in 0..=MAX_OVERTAKEN {
            push(&inboxes[1], "progress");
        }
        let first = taken(&inputs);
        assert_eq!(first.iter().position(|subject| subject == "result"), Some(MAX_OVERTAKEN));
        assert_eq!(first.len(), MAX_OVERTAKEN + 2);
        push(&inboxes[0], "next result");
        push(&inboxes[1], "progress");
        assert_eq!(taken(&inputs), ["progress", "next result"], "the next result waits for progress again");
    }

    /// A message of an earlier subscription arrives while a later one is asked.
    #[test]
    fn what_arrives_while_subscriptions_are_asked_keeps_its_order() {
        struct Late(Arc<Inbox>, Messages<fn()>);
        impl Stream for Late {
            type Item = Received;

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
                push(&self.0, "progress");
                push(&self.1.inbox, "result");
                Pin::new(&mut self.1).poll_next(cx)
            }
        }
        for is_ordered in [false, true] {
            let (inputs, inboxes) = inputs(&[Subject::JobProgress], is_ordered);
            let results: Messages<fn()> = Messages { inbox: Arc::new(Inbox::new(9, usize::MAX)), leave: || () };
            let results = Late(Arc::clone(&inboxes[0]), results);
            inputs.add(Subject::JobResult, Box::pin(results));
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready((first, _)) = inputs.poll(&mut cx) else { panic!("there are messages") };
            assert_eq!(first, Subject::JobProgress);
        }
    }

    #[test]
    fn a_subscription_that_has_ended_or_is_removed_is_no_more_there() {
        let (inputs, inboxes) = inputs(&SUBJECTS, true);
        push(&inboxes[1], "1");
        push(&inboxes[0], "2");
        push(&inboxes[1], "3");
        inboxes[0].end();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(inputs.poll(&mut cx).is_ready());
        let rest: Vec<String> =
            inputs.remove(&Subject::JobProgress).into_iter().map(|received| received.message.subject).collect();
        assert_eq!(rest, ["3"]);
        assert!(!inputs.has(&Subject::JobProgress));
        assert!(inputs.has(&Subject::JobResult), "a message of it is still there");
        assert_eq!(taken(&inputs), ["2"]);
        assert!(!inputs.has(&Subject::JobResult) && inputs.has(&Subject::Heartbeat));
    }
}
