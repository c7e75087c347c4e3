//! Handles passed deadlines.

use super::Runtime;
use super::conns::state::ConnState;
use super::event::Timer;
use super::host::{ConnId, JobKey, ReplayId, RevocationId, SessionKey, StatusId};
use super::jobs::state::Cause;
use super::work;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::time::Time;

impl Runtime {
    /// Handles deadlines that have passed, up to the work of one turn; [`Runtime::poll_timeout`] names the next one. A call
    /// that is early or unnecessary changes nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.input(now, |this| {
            this.begin_turn();
            while !this.is_turn_over()
                && let Some((timer, key)) = this.timers.expired(this.clock.now())
            {
                this.work.charge(work::DEADLINE);
                match timer {
                    Timer::Greeting => this.greeting_lapsed(ConnId::from(key)),
                    Timer::Heartbeat => this.heartbeat(ConnId::from(key)),
                    Timer::Stall => this.stalled(ConnId::from(key)),
                    Timer::Linger => this.close_flushed(ConnId::from(key)),
                    Timer::ResumeWindow => this.lapse(SessionKey::from(key)),
                    Timer::Subscription => this.touch(SessionKey::from(key)),
                    Timer::Submit => this.submit_lapsed(JobKey::from(key)),
                    Timer::Runtime => this.time_out(JobKey::from(key)),
                    Timer::Expiry => this.end_expired(JobKey::from(key)),
                    Timer::Question => this.expire_questions(JobKey::from(key)),
                    Timer::Grace => this.end_cancelled(JobKey::from(key), Cause::GraceOver),
                    Timer::Revocation => this.revoke_again(RevocationId::from(key)),
                    Timer::Replay => this.replay_lapsed(ReplayId::from(key)),
                    Timer::Inquiry => this.inquiry_lapsed(SessionKey::from(key)),
                    Timer::Status => this.status_lapsed(StatusId::from(key)),
                    Timer::Eviction => {
                        this.eviction.passed();
                        this.evict();
                    }
                    Timer::Turn => this.take_turn(),
                }
            }
        });
    }

    /// Handles a hello that did not arrive in time, or that the host did not answer in time.
    fn greeting_lapsed(&mut self, conn: ConnId) {
        self.conns.greeting_passed(conn);
        let Some(open) = self.conns.get(conn) else { return };
        let fault = if open.state() == ConnState::Greeting {
            Fault::invalid("no session.hello came in time")
        } else {
            Fault::new(ErrorCode::InternalError, "the token could not be checked in time; try again later")
        };
        let request_id = open.hello_id();
        self.turn_away(conn, request_id.as_deref(), &fault);
    }
}
