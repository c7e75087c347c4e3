//! Where outputs wait until the records they depend on are durable.

use std::collections::{BTreeMap, HashMap, VecDeque};

use nuncio_core::arcp::{ConnId, Event, Output, SendOrder};

/// Outputs that wait for the journal. Outputs for one connection keep their order, and so do the events for the host. While the
/// journal cannot be written, frames that depend on no record overtake others as [`SendOrder`] allows.
#[derive(Default)]
pub(super) struct Gate {
    /// The number of the last record that is durable.
    durable: u64,
    journal: Journal,
    /// In the machine's order.
    held: VecDeque<Output>,
    /// Outputs that were held and wait no longer.
    ready: VecDeque<Output>,
    /// The held outputs for each connection, by what may overtake them, and for the host.
    conns: HashMap<ConnId, Held>,
    events: usize,
}

/// What is known of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Journal {
    #[default]
    Written,
    /// It cannot be written at the moment.
    Failing,
    /// It is never written again.
    Lost,
}

/// The numbers of held outputs for a connection: of frames by their order, and of others.
#[derive(Debug, Default)]
struct Held {
    frames: BTreeMap<SendOrder, usize>,
    others: usize,
}

impl Held {
    fn add(&mut self, output: &Output) {
        match output {
            Output::Send { order, .. } => *self.frames.entry(*order).or_default() += 1,
            _ => self.others += 1,
        }
    }

    fn remove(&mut self, output: &Output) {
        match output {
            Output::Send { order, .. } => {
                let held = self.frames.get_mut(order).map(|held| {
                    *held -= 1;
                    *held
                });
                if held == Some(0) {
                    self.frames.remove(order);
                }
            }
            _ => self.others -= 1,
        }
    }

    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.others == 0
    }

    /// Whether an output may be acted on before these while the journal cannot be written.
    fn is_overtaken_by(&self, output: &Output) -> bool {
        match output {
            Output::Send { order, .. } => {
                order.is_free() && self.others == 0 && self.frames.keys().all(|held| order.overtakes(*held))
            }
            // The peer may write; what it is answered is another matter.
            Output::Reading { .. } => self.others == 0,
            Output::Store { .. } | Output::Close { .. } | Output::Event { .. } => false,
        }
    }
}

impl Gate {
    pub(super) fn new(durable: u64) -> Gate {
        Gate { durable, ..Gate::default() }
    }

    /// Notes that all records up to this one are durable.
    pub(super) fn committed(&mut self, seq: u64) {
        self.durable = self.durable.max(seq);
    }

    /// Notes whether the journal cannot be written at the moment.
    pub(super) fn set_failing(&mut self, failing: bool) {
        if self.journal == Journal::Lost {
            return;
        }
        self.journal = if failing { Journal::Failing } else { Journal::Written };
        if failing {
            self.let_free_pass();
        }
    }

    /// Notes that the journal is never written again: frames that wait for it are dropped, and nothing else waits.
    pub(super) fn lose_journal(&mut self) {
        self.journal = Journal::Lost;
        self.let_free_pass();
        let held = std::mem::take(&mut self.held);
        self.ready.extend(held.into_iter().filter(|output| !matches!(output, Output::Send { .. })));
        self.conns.clear();
        self.events = 0;
    }

    /// Takes out the held outputs that overtake those before them.
    fn let_free_pass(&mut self) {
        self.conns.clear();
        for output in std::mem::take(&mut self.held) {
            let conn = conn_of(&output);
            let ahead = conn.and_then(|conn| self.conns.get(&conn));
            let passes = match ahead {
                Some(ahead) => ahead.is_overtaken_by(&output),
                None => conn.is_some() && Held::default().is_overtaken_by(&output),
            };
            if passes {
                self.ready.push_back(output);
            } else {
                if let Some(conn) = conn {
                    self.conns.entry(conn).or_default().add(&output);
                }
                self.held.push_back(output);
            }
        }
    }

    /// Returns the output if nothing that it depends on or has to follow is still held; holds or drops it otherwise.
    pub(super) fn pass(&mut self, output: Output) -> Option<Output> {
        let overtakes = match self.journal {
            Journal::Written => false,
            Journal::Failing => conn_of(&output).is_some_and(|conn| match self.conns.get(&conn) {
                Some(held) => held.is_overtaken_by(&output),
                None => Held::default().is_overtaken_by(&output),
            }),
            Journal::Lost => {
                let passes = match &output {
                    Output::Send { order, .. } => order.is_free() || self.is_durable(&output),
                    _ => true,
                };
                return passes.then_some(output);
            }
        };
        if overtakes || self.is_durable(&output) && !self.is_behind(&output) {
            return Some(output);
        }
        match conn_of(&output) {
            Some(conn) => self.conns.entry(conn).or_default().add(&output),
            None => self.events += 1,
        }
        self.held.push_back(output);
        None
    }

    /// Takes out the first output that was held and waits for nothing any more.
    pub(super) fn release(&mut self) -> Option<Output> {
        if let Some(output) = self.ready.pop_front() {
            return Some(output);
        }
        if !self.is_durable(self.held.front()?) {
            return None;
        }
        let output = self.held.pop_front()?;
        match conn_of(&output) {
            Some(conn) => {
                if let Some(held) = self.conns.get_mut(&conn) {
                    held.remove(&output);
                    if held.is_empty() {
                        self.conns.remove(&conn);
                    }
                }
            }
            None => self.events -= 1,
        }
        Some(output)
    }

    /// Drops the held outputs of a connection that has ended, so that a peer that connects again and again does not make
    /// them pile up.
    pub(super) fn discard(&mut self, conn: ConnId) {
        self.ready.retain(|output| conn_of(output) != Some(conn));
        if self.conns.remove(&conn).is_some() {
            self.held.retain(|output| conn_of(output) != Some(conn));
        }
    }

    fn is_durable(&self, output: &Output) -> bool {
        if is_unrecorded(output) {
            return true;
        }
        match output {
            Output::Store { .. } | Output::Reading { .. } | Output::Close { .. } => true,
            Output::Send { after, .. } | Output::Event { after, .. } => *after <= self.durable,
        }
    }

    /// Whether outputs that it has to follow are held. A record follows nothing: what one input stores is committed
    /// together.
    fn is_behind(&self, output: &Output) -> bool {
        if is_unrecorded(output) || matches!(output, Output::Store { .. }) {
            return false;
        }
        match conn_of(output) {
            Some(conn) => self.conns.contains_key(&conn),
            None => self.events > 0,
        }
    }
}

/// Whether an event is about no record. Such events pass at once: a peer can cause any number of them, and they must not
/// pile up while the journal cannot be written.
fn is_unrecorded(output: &Output) -> bool {
    let Output::Event { event, .. } = output else { return false };
    matches!(
        event,
        Event::Authenticate { .. }
            | Event::Locate { .. }
            | Event::RefusedFrame { .. }
            | Event::Relay { .. }
            | Event::Status { .. }
    )
}

/// Returns the connection that an output is for, or `None` if it is for the host.
fn conn_of(output: &Output) -> Option<ConnId> {
    match output {
        Output::Send { conn, .. } | Output::Reading { conn } | Output::Close { conn, .. } => Some(*conn),
        Output::Store { .. } | Output::Event { .. } => None,
    }
}

#[cfg(test)]
impl Gate {
    pub(super) fn held_for_connections(&self) -> usize {
        self.held.iter().filter(|output| conn_of(output).is_some()).count()
    }

    pub(super) fn held_for_host(&self) -> usize {
        self.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str, after: u64, order: SendOrder) -> Output {
        Output::Send { conn: ConnId::default(), frame: text.as_bytes().to_vec().into(), after, order }
    }

    fn text(output: &Output) -> String {
        match output {
            Output::Send { frame, .. } => String::from_utf8_lossy(frame).into_owned(),
            other => format!("{other:?}"),
        }
    }

    fn released(gate: &mut Gate) -> Vec<String> {
        std::iter::from_fn(|| gate.release()).map(|output| text(&output)).collect()
    }

    #[test]
    fn what_depends_on_no_record_overtakes_what_waits_while_the_journal_fails() {
        let mut gate = Gate::new(1);
        let before = [
            frame("event 2", 2, SendOrder::Event),
            frame("pong 1", 2, SendOrder::Free),
            frame("accepted", 3, SendOrder::Reply),
            frame("refusal", 3, SendOrder::Answer),
            frame("pong 2", 3, SendOrder::Free),
        ];
        for output in before {
            assert!(gate.pass(output).is_none(), "in order, while the journal is written");
        }
        gate.set_failing(true);
        assert_eq!(released(&mut gate), ["pong 1", "pong 2"]);
        assert!(gate.pass(frame("pong 3", 3, SendOrder::Free)).is_some());
        assert!(gate.pass(frame("answer", 3, SendOrder::Answer)).is_none(), "answers keep their order");
        gate.committed(3);
        gate.set_failing(false);
        assert_eq!(released(&mut gate), ["event 2", "accepted", "refusal", "answer"]);
        assert!(gate.conns.is_empty());
    }

    #[test]
    fn nothing_overtakes_the_welcome() {
        let mut gate = Gate::new(0);
        assert!(gate.pass(frame("welcome", 1, SendOrder::Welcome)).is_none());
        gate.set_failing(true);
        assert!(gate.pass(frame("pong", 1, SendOrder::Free)).is_none());
        gate.committed(1);
        assert_eq!(released(&mut gate), ["welcome", "pong"]);
    }

    #[test]
    fn what_waits_for_a_lost_journal_is_dropped() {
        let mut gate = Gate::new(0);
        let close = Output::Close { conn: ConnId::default(), code: 1011, reason: "lost" };
        assert!(gate.pass(frame("event", 1, SendOrder::Event)).is_none());
        assert!(gate.pass(frame("told", 1, SendOrder::Free)).is_none());
        assert!(gate.pass(close).is_none());
        gate.lose_journal();
        let left = released(&mut gate);
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!(left[0], "told");
        assert!(gate.pass(frame("late", 2, SendOrder::Event)).is_none());
        assert!(gate.pass(frame("durable", 0, SendOrder::Event)).is_some());
        assert!(gate.release().is_none());
    }
}
