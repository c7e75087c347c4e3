//! What follows every input: calls that are ready are sent, a token is requested if they need one, and calls whose time
//! has passed fail.

use super::event::{CallFailure, ClientEvent, ClientOutput};
use super::sessions::Sessions;
use super::timers::Timers;
use super::{Client, Closing};

impl Client {
    pub(super) fn flush(&mut self) {
        // The machine may have been suspended since the last attempt.
        for call in self.calls.matching(|entry| entry.is_stale(self.clock.now(), self.config.repeat_within)) {
            self.fail(call, CallFailure::Uncertain);
        }
        let ready = self.calls.ready();
        if !ready.is_empty() {
            match self.tokens.current(self.clock.now()) {
                Some((token, number)) => {
                    let deadline = self.clock.now().plus(self.config.request_timeout);
                    for call in ready {
                        let Some((id, entry)) =
                            self.calls.send(call, number, self.clock.now(), deadline, &mut self.timers)
                        else {
                            continue;
                        };
                        let config = &self.config;
                        let request = entry.call().request(config.generation, &config.zone, token, entry.key());
                        self.outputs.push_back(ClientOutput::Request { id, request });
                    }
                }
                None => {
                    if let Some(rejected) = self.tokens.ask(&self.config, self.clock.now(), &mut self.timers) {
                        self.outputs.push_back(ClientOutput::TokenNeeded { rejected });
                    }
                }
            }
        }
        if self.closing == Closing::Finishing && self.calls.len() == 0 {
            self.closing = Closing::Closed;
            // The sessions go on without this client, and nothing is reported of them any more.
            self.sessions = Sessions::default();
            self.timers = Timers::default();
            self.emit(ClientEvent::Closed);
        }
    }
}
