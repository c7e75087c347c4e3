//! Deadlines that pass, and going down.

use slotmap::KeyData;

use super::Runtime;
use super::end::timed_out;
use crate::arcp::runtime::event::{Event, Timer};
use crate::arcp::runtime::host::{ConnId, JobId, ReplayId, RevocationId, SessionKey};
use crate::arcp::runtime::job::{JobEvent, JobState};
use crate::arcp::runtime::session::ConnState;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::time::Time;

impl Runtime {
    /// Does what is due. Early or for nothing it changes nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.input(now, |this| {
            let now = this.now;
            while let Some((_, timer, key)) = this.timers.expired(now) {
                let key = KeyData::from_ffi(key);
                match timer {
                    Timer::Greeting => this.greeting_lapsed(key.into()),
                    Timer::Heartbeat => this.heartbeat(key.into()),
                    Timer::Stall => this.stalled(key.into()),
                    Timer::Linger => {
                        let conn = ConnId::from(key);
                        if let Some(ending) = this.conns.get(conn).and_then(|open| open.ending) {
                            this.cut(conn, ending.code, ending.reason);
                        }
                    }
                    Timer::ResumeWindow => this.lapse(SessionKey::from(key)),
                    Timer::Subscription => this.touch_session(SessionKey::from(key)),
                    Timer::Submit => this.submit_lapsed(JobId::from(key)),
                    Timer::Runtime => this.end_fault(JobId::from(key), JobEvent::Timeout, timed_out()),
                    Timer::Expiry => this.end_expired(JobId::from(key), JobEvent::Expire),
                    Timer::Grace => this.end_cancelled(JobId::from(key), JobEvent::GraceOver),
                    Timer::Revocation => this.revoke_again(RevocationId::from(key)),
                    Timer::Replay => this.replay_lapsed(ReplayId::from(key)),
                    Timer::Eviction => {
                        this.eviction_at = None;
                        this.evict();
                    }
                }
            }
        })
    }

    fn greeting_lapsed(&mut self, conn: ConnId) {
        let Some(open) = self.conns.get_mut(conn) else { return };
        open.greeting_at = None;
        let request_id = open.greeting.as_ref().and_then(|greeting| greeting.request_id.clone());
        let fault = if open.state == ConnState::Greeting {
            Fault::invalid("no session.hello came in time")
        } else {
            Fault::new(ErrorCode::InternalError, "the token could not be checked in time; try again later")
        };
        self.turn_away(conn, request_id.as_deref(), &fault);
    }

    /// Frames were given to the driver and none was written for too long: the peer does not read.
    fn stalled(&mut self, conn: ConnId) {
        let (now, stall) = (self.now, self.config.stall_timeout);
        let Some(open) = self.conns.get_mut(conn) else { return };
        open.stall_at = None;
        if open.outstanding.is_empty() {
            return;
        }
        let at = open.last_written.plus(stall);
        if at <= now {
            self.cut(conn, 1008, "the peer does not read");
            return;
        }
        open.stall_at = Some(at);
        self.arm(at, Timer::Stall, conn);
    }

    /// Takes no new sessions and no new submits from here on; [`Event::Drained`] comes once no job is left.
    pub fn shutdown(&mut self, now: Time) {
        self.input(now, |this| {
            this.draining = true;
            this.check_drained();
        })
    }

    pub(super) fn check_drained(&mut self) {
        if self.draining && self.live_jobs == 0 && !self.drained {
            self.drained = true;
            self.event(Event::Drained);
        }
    }

    /// Ends every job with `INTERNAL_ERROR` and closes every connection (1001) once its queue is empty.
    pub fn abort(&mut self, now: Time) {
        self.input(now, |this| {
            this.draining = true;
            let fault =
                Fault::new(ErrorCode::InternalError, "the runtime is shutting down; submit the job again later");
            let jobs: alloc::vec::Vec<JobId> = this.jobs.keys().collect();
            for id in jobs {
                match this.jobs.get(id).map(|job| job.state) {
                    Some(JobState::Asked) => this.drop_asked(id, fault.clone()),
                    Some(_) => this.end_fault(id, JobEvent::Abort, fault.clone()),
                    None => {}
                }
            }
            let conns: alloc::vec::Vec<ConnId> = this.conns.keys().collect();
            for conn in conns {
                this.end_after_flush(conn, 1001, "the runtime is shutting down");
            }
            this.check_drained();
        })
    }
}
