//! Outputs in their order, the transport's credit, and what the application has not taken yet.

use alloc::collections::VecDeque;

use bytes::Bytes;

use super::config::ClientConfig;
use super::event::{ClientEvent, ClientOutput};
use super::liveness::ReadClock;
use crate::time::Time;

/// The rough size of an output beyond the frame bytes it holds.
const OUTPUT_BYTES: usize = 128;

/// Everything on its way out of the client.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    outputs: VecDeque<ClientOutput>,
    send_bytes: usize,
    /// Sizes of the frames given out and not reported as sent.
    window: VecDeque<usize>,
    window_bytes: usize,
    /// Events emitted and not reported as taken, polled or not.
    events: VecDeque<Outstanding>,
    event_bytes: usize,
    polled: usize,
    pub(super) clock: ReadClock,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    /// Every event up to this number is processed once this one is reached.
    before: u64,
    bytes: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, output: ClientOutput) {
        self.outputs.push_back(output);
    }

    /// A frame for the transport, against its credit.
    pub(super) fn send(&mut self, frame: Bytes) {
        self.window.push_back(frame.len());
        self.window_bytes = self.window_bytes.saturating_add(frame.len());
        self.send_bytes = self.send_bytes.saturating_add(frame.len());
        self.outputs.push_back(ClientOutput::Send(frame));
    }

    /// Whether the transport takes one more frame.
    pub(super) fn credit(&self, config: &ClientConfig) -> bool {
        self.window.is_empty()
            || (self.window.len() < config.send_window && self.window_bytes < config.send_window_bytes)
    }

    pub(super) fn sent(&mut self, frames: usize) {
        for bytes in self.window.drain(..frames.min(self.window.len())) {
            self.window_bytes = self.window_bytes.saturating_sub(bytes);
        }
    }

    /// An event for the application. `before`: everything up to this number was emitted earlier; `bytes`: what it holds.
    pub(super) fn event(&mut self, config: &ClientConfig, now: Time, event: ClientEvent, before: u64, bytes: usize) {
        let bytes = bytes.saturating_add(OUTPUT_BYTES);
        self.outputs.push_back(ClientOutput::Event(event));
        self.events.push_back(Outstanding { before, bytes });
        self.event_bytes = self.event_bytes.saturating_add(bytes);
        if self.events.len() >= config.events || self.event_bytes >= config.event_bytes {
            self.clock.pause(now);
        }
    }

    /// The application took `events`. Reading goes on at half the limit, so that it does not flicker.
    pub(super) fn taken(&mut self, config: &ClientConfig, now: Time, events: usize) {
        let events = events.min(self.polled).min(self.events.len());
        self.polled = self.polled.saturating_sub(events);
        for taken in self.events.drain(..events) {
            self.event_bytes = self.event_bytes.saturating_sub(taken.bytes);
        }
        if self.clock.paused() && self.events.len() <= config.events / 2 && self.event_bytes <= config.event_bytes / 2 {
            self.clock.go_on(now);
            self.push(ClientOutput::Reading);
        }
    }

    /// The number up to which the application has taken everything; `last` if nothing is outstanding.
    pub(super) fn processed(&self, last: u64) -> u64 {
        self.events.front().map_or(last, |event| event.before)
    }

    /// Whether a driver that reads on regardless has filled twice what it may.
    pub(super) fn flooded(&self, config: &ClientConfig) -> bool {
        self.events.len() / 2 > config.events || self.event_bytes / 2 > config.event_bytes
    }

    pub(super) fn poll(&mut self) -> Option<ClientOutput> {
        let output = self.outputs.pop_front()?;
        match &output {
            ClientOutput::Send(frame) => self.send_bytes = self.send_bytes.saturating_sub(frame.len()),
            ClientOutput::Event(_) => self.polled = self.polled.saturating_add(1),
            ClientOutput::Connect { .. } | ClientOutput::CloseTransport { .. } | ClientOutput::Reading => {}
        }
        Some(output)
    }

    /// The transport is gone: its credit with it.
    pub(super) fn reset(&mut self) {
        self.window.clear();
        self.window_bytes = 0;
    }

    /// What was meant for a transport that is gone is taken back, if the driver has not polled it.
    pub(super) fn purge(&mut self) {
        self.outputs.retain(|output| matches!(output, ClientOutput::Event(_) | ClientOutput::Reading));
        self.send_bytes = 0;
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.send_bytes
            .saturating_add(self.event_bytes)
            .saturating_add(self.outputs.len().saturating_mul(size_of::<ClientOutput>()))
            .saturating_add(self.window.len().saturating_mul(size_of::<usize>()))
    }
}
