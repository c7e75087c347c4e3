//! Bearer tokens that the runtime refuses, and newer ones (§6.1; ours).

use super::Client;
use super::event::{CloseReason, LostReason};
use crate::arcp::wire::reply::read::RemoteFault;
use crate::secret::Secret;
use crate::time::Time;

impl Client {
    /// Hands in a bearer token for the next hello. A driver does so when
    /// [`ClientOutput::Connect`](super::ClientOutput::Connect) says that the last one was refused.
    ///
    /// If it is the token that was refused, there is no newer one: the client is closed with
    /// [`CloseReason::Refused`].
    pub fn renew(&mut self, now: Time, token: Secret) {
        self.advance(now);
        match self.refused_token.take() {
            Some(fault) if token == self.config.token => {
                if self.state.give_up() {
                    self.end(CloseReason::Refused(fault));
                }
            }
            _ => self.config.token = token,
        }
    }

    /// The runtime has refused the token, which may have expired since the session began. Asks the driver for a newer one,
    /// or closes the client.
    pub(super) fn token_refused(&mut self, fault: RemoteFault) {
        if !self.config.renews_token {
            return self.refused(1000, "refused", CloseReason::Refused(fault));
        }
        self.close_transport(1000, "the token is renewed");
        self.refused_token = Some(fault.clone());
        self.lose(LostReason::Refused(fault));
    }
}
