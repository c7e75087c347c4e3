//! The outputs of a client in their order, the credit of the transport, and the events that the application has not
//! taken.

use alloc::collections::VecDeque;

use bytes::Bytes;

use super::clock::ReadClock;
use super::config::ClientLimits;
use super::event::{ClientEvent, ClientOutput};
use crate::time::Time;

/// The rough size of an event beyond the bytes of the frame that it holds.
const EVENT_BYTES: usize = 128;

/// The outputs, and the two windows that bound them.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    outputs: VecDeque<ClientOutput>,
    /// Bytes of the frames among the outputs.
    send_bytes: usize,
    /// Sizes of the frames that were not reported as sent.
    window: VecDeque<usize>,
    window_bytes: usize,
    /// The events that were not reported as taken, polled or not.
    events: VecDeque<Outstanding>,
    event_bytes: usize,
    /// How many of `events` were polled.
    polled: usize,
    /// Stands still while there are too many of `events`.
    clock: ReadClock,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    /// The number up to which all events were emitted before this one.
    before: u64,
    bytes: usize,
}

impl Outbox {
    /// Adds an output that is neither a frame nor an event.
    pub(super) fn push(&mut self, output: ClientOutput) {
        self.outputs.push_back(output);
    }

    /// Returns the next output.
    pub(super) fn poll(&mut self) -> Option<ClientOutput> {
        let output = self.outputs.pop_front()?;
        match &output {
            ClientOutput::Send(frame) => self.send_bytes = self.send_bytes.saturating_sub(frame.len()),
            ClientOutput::Event(_) => self.polled = self.polled.saturating_add(1),
            ClientOutput::Connect { .. } | ClientOutput::CloseTransport { .. } | ClientOutput::Reading => {}
        }
        Some(output)
    }

    // Frames.

    /// Adds a frame for the transport, which uses credit.
    pub(super) fn send(&mut self, frame: Bytes) {
        self.window.push_back(frame.len());
        self.window_bytes = self.window_bytes.saturating_add(frame.len());
        self.send_bytes = self.send_bytes.saturating_add(frame.len());
        self.outputs.push_back(ClientOutput::Send(frame));
    }

    /// Returns whether the transport takes another frame.
    pub(super) fn has_credit(&self, limits: &ClientLimits) -> bool {
        self.window.is_empty()
            || (self.window.len() < limits.send_window && self.window_bytes < limits.send_window_bytes)
    }

    /// Records that the transport has sent some frames, which returns their credit.
    pub(super) fn sent(&mut self, frames: usize) {
        for bytes in self.window.drain(..frames.min(self.window.len())) {
            self.window_bytes = self.window_bytes.saturating_sub(bytes);
        }
    }

    /// Records that the transport was lost, and with it the frames that it has not sent.
    pub(super) fn transport_lost(&mut self) {
        self.window.clear();
        self.window_bytes = 0;
    }

    /// Removes the outputs for a transport that was lost, as far as they were not polled.
    pub(super) fn purge(&mut self) {
        self.outputs.retain(|output| matches!(output, ClientOutput::Event(_) | ClientOutput::Reading));
        self.send_bytes = 0;
    }

    // Events.

    /// Adds an event for the application. `before` is the number up to which all events were emitted before this one,
    /// `bytes` the size of the frame that it holds.
    pub(super) fn event(&mut self, limits: &ClientLimits, now: Time, event: ClientEvent, before: u64, bytes: usize) {
        let bytes = bytes.saturating_add(EVENT_BYTES);
        self.outputs.push_back(ClientOutput::Event(event));
        self.events.push_back(Outstanding { before, bytes });
        self.event_bytes = self.event_bytes.saturating_add(bytes);
        if self.events.len() >= limits.events || self.event_bytes >= limits.event_bytes {
            self.clock.pause(now);
        }
    }

    /// Records that the application has taken some events. Reading is resumed at half of the limits, so that it does
    /// not stop and start with every event.
    pub(super) fn taken(&mut self, limits: &ClientLimits, now: Time, events: usize) {
        let events = events.min(self.polled).min(self.events.len());
        self.polled = self.polled.saturating_sub(events);
        for taken in self.events.drain(..events) {
            self.event_bytes = self.event_bytes.saturating_sub(taken.bytes);
        }
        let has_room = self.events.len() <= limits.events / 2 && self.event_bytes <= limits.event_bytes / 2;
        if has_room && self.clock.is_paused() {
            self.clock.resume(now);
            self.push(ClientOutput::Reading);
        }
    }

    /// Returns the number up to which the application has taken all events. `last` is the number of the last event.
    pub(super) fn taken_up_to(&self, last: u64) -> u64 {
        self.events.front().map_or(last, |event| event.before)
    }

    /// Returns whether the events exceed twice the limits, because the driver has not stopped reading.
    pub(super) fn is_flooded(&self, limits: &ClientLimits) -> bool {
        self.events.len() / 2 > limits.events || self.event_bytes / 2 > limits.event_bytes
    }

    /// Returns the clock that stands still while the client does not read.
    pub(super) fn clock(&self) -> &ReadClock {
        &self.clock
    }

    /// Returns an upper estimate of the memory held, in bytes.
    pub(super) fn bytes_held(&self) -> usize {
        self.send_bytes
            .saturating_add(self.event_bytes)
            .saturating_add(self.outputs.len().saturating_mul(size_of::<ClientOutput>()))
            .saturating_add(self.window.len().saturating_mul(size_of::<usize>()))
    }
}
