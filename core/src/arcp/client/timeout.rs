//! The deadlines of a client.

use super::Client;
use super::event::{ClientTimer, LostReason, RequestFailure};
use super::goodbye::Goodbye;
use super::types::OutcomeSource;
use crate::time::Time;

impl Client {
    /// Returns the next deadline and its reason.
    pub fn poll_timeout(&self) -> Option<(Time, ClientTimer)> {
        let live = |due: Option<Time>| due.filter(|_| self.state.is_live());
        [
            (self.welcome_due(), ClientTimer::Greeting),
            (live(self.silence_due()), ClientTimer::Heartbeat),
            (live(self.transport.ping_due()), ClientTimer::Heartbeat),
            (live(self.ack_due()), ClientTimer::Ack),
            (live(self.answer_due()), ClientTimer::Request),
            (live(self.silent_due()), ClientTimer::Silence),
            (self.goodbye.as_ref().map(Goodbye::due), ClientTimer::Closing),
        ]
        .into_iter()
        .filter_map(|(due, timer)| Some((due?, timer)))
        .min()
    }

    /// Reports that the deadline of [`Client::poll_timeout`] has passed. A report that comes early, or without a
    /// deadline, is harmless.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        let now = self.now;
        let has_passed = |due: Option<Time>| due.is_some_and(|due| due <= now);
        if has_passed(self.welcome_due()) {
            self.close_transport(1002, "no welcome in time");
            self.lose(LostReason::Greeting);
        }
        if has_passed(self.goodbye.as_ref().map(Goodbye::due)) {
            self.closed();
        }
        if !self.state.is_live() {
            return;
        }
        if has_passed(self.silence_due()) {
            self.close_transport(1001, "nothing was heard for two heartbeat intervals");
            self.lose(LostReason::Heartbeat);
            return;
        }
        if has_passed(self.transport.ping_due()) {
            self.transport.ping(now);
        }
        if has_passed(self.ack_due())
            && let Some(session) = &mut self.session
        {
            session.ack_interval_passed(self.outbox.taken_up_to(session.last_seq()));
        }
        while let Some((due, request)) = self.requests.first_deadline()
            && has_passed(self.real(due))
        {
            self.fail(request, RequestFailure::TimedOut);
        }
        while let Some((due, handle, status)) = self.jobs.first_owed()
            && has_passed(self.real(due))
        {
            let heard = self.jobs.followed_by(handle).map_or(due, |job| self.silence.last_heard(job));
            let later = heard.plus(self.config.terminal_timeout);
            if later > self.read_time() {
                self.jobs.owe(handle, status, later);
            } else {
                self.end_without_terminal(handle, status, OutcomeSource::Status, None);
            }
        }
        if has_passed(self.silent_due()) {
            self.doubt_silent_jobs();
        }
        self.flush();
    }

    /// Returns when the reading clock will show `due`, or `None` while the client does not read.
    fn real(&self, due: Time) -> Option<Time> {
        self.outbox.clock().real(due)
    }

    fn welcome_due(&self) -> Option<Time> {
        self.real(self.transport.welcome_due()?)
    }

    fn silence_due(&self) -> Option<Time> {
        self.real(self.transport.silence_due()?)
    }

    fn ack_due(&self) -> Option<Time> {
        self.session.as_ref()?.ack_due(self.config.auto_ack)
    }

    /// Returns when a job counts as silent.
    fn silent_due(&self) -> Option<Time> {
        self.real(self.silence.first_due()?)
    }

    /// Returns when an answer, or the terminal message of a job that has ended, is overdue.
    fn answer_due(&self) -> Option<Time> {
        let request = self.requests.first_deadline().map(|(due, _)| due);
        let terminal = self.jobs.first_owed().map(|(due, _, _)| due);
        self.real(request.into_iter().chain(terminal).min()?)
    }
}
