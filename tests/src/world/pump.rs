//! Drains the runtime's outputs as a driver would.

use nuncio_core::arcp::{ConnId, Event, Output};

use super::{Frame, World};

/// A memory bound, in bytes, that no test may exceed.
const MEMORY: usize = 1 << 30;

impl World {
    /// Processes all outputs, reports frames as written and lets the host answer, until nothing is left to do.
    pub(super) fn pump(&mut self) {
        loop {
            let mut idle = true;
            while let Some(output) = self.runtime.poll_output() {
                idle = false;
                self.act(output);
            }
            idle &= !self.report();
            if !self.journal_stalled && self.durable < self.last_store {
                self.durable = self.last_store;
                self.runtime.handle_stored(self.now, self.last_store);
                idle = false;
            }
            if idle {
                break;
            }
        }
        assert!(self.runtime.bytes_held() < MEMORY, "{} bytes are held", self.runtime.bytes_held());
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Store { seq, record } => {
                assert!(!self.strict || seq == self.last_store + 1, "stores count from 1 without gaps");
                self.last_store = seq;
                for target in record.targets() {
                    self.recorded.insert((target.session.to_string(), target.seq), seq);
                }
                self.stored.push((self.history.len() as u64, record));
            }
            Output::Send { conn, frame, after, order } => {
                self.orders.push(order);
                let text = std::str::from_utf8(&frame).expect("a frame is UTF-8");
                assert!(after <= self.last_store, "a Send names a store before it");
                self.take(conn, text, after);
            }
            Output::Reading { conn } => {
                assert!(self.runtime.reading(conn), "Reading was announced, but the connection is not read from");
                self.transport(conn).readable = true;
            }
            Output::Close { conn, code, reason } => {
                let transport = self.transport(conn);
                assert!(transport.close.is_none() && !transport.gone, "a connection is closed twice");
                transport.close = Some((code, reason));
                self.checker.closed(conn);
            }
            Output::Event { event, after } => {
                assert_eq!(after, self.last_store, "an Event names the last store before it");
                if let Event::SessionLive { session, dialect, .. } = &event {
                    self.checker.live(&session.to_string(), *dialect);
                }
                self.tell(event);
            }
        }
    }

    fn take(&mut self, conn: ConnId, text: &str, after: u64) {
        let frame = Frame::parse(text);
        self.assert_waits(&frame, after);
        self.checker.sent(conn, &frame);
        let config = self.runtime.config();
        let (window, window_bytes) = (config.limits.send_window, config.limits.send_window_bytes);
        let transport = self.transport(conn);
        assert!(transport.close.is_none() && !transport.gone, "a frame for a closed connection: {text}");
        transport.unsent.push_back(text.len());
        let bytes: usize = transport.unsent.iter().sum();
        assert!(transport.unsent.len() <= window, "{} frames are outstanding", transport.unsent.len());
        assert!(transport.unsent.len() == 1 || bytes <= window_bytes, "{bytes} bytes are outstanding");
        transport.inbox.push_back(frame.clone());
        self.history.push((after, conn, frame));
    }

    /// Asserts that a numbered frame waits at least for its own record, and any other for all records stored before it.
    fn assert_waits(&self, frame: &Frame, after: u64) {
        match frame.seq() {
            Some(seq) => {
                let session = frame["session_id"].as_str().unwrap_or_default().to_owned();
                let recorded = self.recorded.get(&(session, seq));
                assert!(
                    recorded.is_none_or(|recorded| after >= *recorded),
                    "a frame does not wait for its record: {frame:?}"
                );
            }
            // A refusal need not wait: it depends on no record.
            None if self.journal_stalled || matches!(frame.kind(), "session.error" | "job.error") => {}
            None => assert_eq!(after, self.last_store, "a Send names the last store before it"),
        }
    }

    /// Reports frames as written unless the test holds them back; returns whether there were any.
    fn report(&mut self) -> bool {
        let mut ready = Vec::new();
        for (conn, transport) in &mut self.transports {
            if !transport.withheld && !transport.unsent.is_empty() {
                ready.push((*conn, transport.unsent.len()));
                transport.unsent.clear();
            }
        }
        // The order of a HashMap must not influence a test.
        ready.sort();
        for (conn, frames) in &ready {
            self.runtime.handle_sent(self.now, *conn, *frames);
        }
        !ready.is_empty()
    }

    fn tell(&mut self, event: Event) {
        self.answer(&event);
        self.events.push_back(event);
    }
}
