//! The parameters of a run, drawn once: its limits, its peers, and how often each fault occurs.

use std::collections::BTreeSet;
use std::time::Duration;

use nuncio_core::arcp::{Config, Journaling};
use nuncio_core::lease::Lease;

use super::approvals::{APPROVER, MARKS};

use crate::seeded::Draw;

/// Percentages are often zero: without one kind of fault, a run gets further in the others.
#[derive(Clone, Debug)]
pub(super) struct Params {
    pub(super) clients: usize,
    pub(super) hostiles: usize,
    /// How often everything on the way is delivered right after a step.
    pub(super) fast_network: usize,
    /// How often the host answers at once, and how often it never does.
    pub(super) fast_host: usize,
    pub(super) silent_host: usize,
    /// How often an application takes its events at once.
    pub(super) fast_application: usize,
    /// How often an agent that was asked to stop continues anyway.
    pub(super) stubborn: usize,
    /// How often the host declines, and how often a revocation fails.
    pub(super) declines: usize,
    pub(super) revoke_fails: usize,
    /// The weights of the steps, in the order of [`super::steps::Step`].
    pub(super) weights: Vec<usize>,
    pub(super) log_events: usize,
    pub(super) send_window: usize,
    pub(super) reply_frames: usize,
    pub(super) back_pressure: u64,
    pub(super) heartbeat: u64,
    pub(super) resume_window: u64,
    pub(super) retained: usize,
    pub(super) writer_chunk: usize,
    pub(super) journal: Journaling,
    /// How often all records are committed right after a step.
    pub(super) fast_journal: usize,
    /// The number of records that remain when old events are pruned.
    pub(super) retention: Option<u64>,
    pub(super) history_events: usize,
    pub(super) store_window: u64,
    /// The operations that people approve before a job does them, as the patterns of a lease.
    pub(super) marks: &'static str,
    /// The seconds in which they have to.
    pub(super) approval_secs: u64,
    /// Whether there is a principal that answers the questions of every job.
    pub(super) has_approver: bool,
    /// Whether it may also cancel every job, and read the state of the runtime.
    pub(super) has_operator: bool,
}

impl Params {
    pub(super) fn draw(draw: &mut Draw<'_, '_>) -> Params {
        let often = |draw: &mut Draw<'_, '_>| draw.one(&[100, 100, 95, 70, 20]);
        let seldom = |draw: &mut Draw<'_, '_>| draw.one(&[0, 0, 5, 25]);
        let fault = |draw: &mut Draw<'_, '_>| draw.one(&[0, 0, 0, 1, 3, 8]);
        let journal = draw.one(&[
            Journaling::Off,
            Journaling::Kept,
            Journaling::Readable,
            Journaling::Off,
            Journaling::Kept,
            Journaling::Readable,
        ]);
        let kept = |weight: usize| if journal.is_kept() { weight } else { 0 };
        let has_approver = draw.chance(40);
        Params {
            clients: 1 + draw.below(4),
            hostiles: draw.one(&[0, 0, 1, 2]),
            fast_network: often(draw),
            fast_host: often(draw),
            silent_host: seldom(draw),
            fast_application: often(draw),
            stubborn: draw.one(&[0, 30, 100]),
            declines: seldom(draw),
            revoke_fails: seldom(draw),
            weights: vec![
                // Deliver, write, command, take, answer, agent, wait.
                10,
                6,
                22,
                4,
                6,
                60,
                draw.one(&[2, 5, 10]),
                // Cut, half open, stall, release, restart, jump.
                fault(draw),
                fault(draw),
                fault(draw),
                4,
                fault(draw) / 2,
                fault(draw) / 2,
                // Attack.
                draw.one(&[0, 8, 20]),
                // Commit, crash, stall journal.
                kept(draw.one(&[8, 3])),
                kept(draw.one(&[0, 1, 2, 4])),
                kept(fault(draw) / 2),
                // Set the wall clock.
                fault(draw) / 2,
            ],
            log_events: draw.one(&[10_000, 10_000, 60, 12]),
            send_window: draw.one(&[64, 64, 8, 1]),
            reply_frames: draw.one(&[64, 64, 4]),
            back_pressure: draw.one(&[1_000, 5]),
            heartbeat: draw.one(&[30, 30, 5]),
            resume_window: draw.one(&[600, 600, 20]),
            // Without the retained job, a replay from the journal would lack its `job.accepted`.
            retained: if journal == Journaling::Readable { 10_000 } else { draw.one(&[10_000, 10_000, 3]) },
            writer_chunk: draw.one(&[65_536, 8]),
            journal,
            fast_journal: often(draw),
            retention: draw.one(&[None, None, None, Some(20)]),
            history_events: if journal == Journaling::Readable { draw.one(&[10_000, 20, 4]) } else { 10_000 },
            store_window: draw.one(&[16_384, 16_384, 16]),
            marks: draw.one(&MARKS),
            approval_secs: draw.one(&[3_600, 3_600, 20, 3]),
            has_approver,
            has_operator: has_approver && draw.chance(50),
        }
    }

    pub(super) fn config(&self) -> Config {
        Config::default().with(|config| {
            config.provisioner = true;
            config.heartbeat_interval = Duration::from_secs(self.heartbeat);
            config.resume_window = Duration::from_secs(self.resume_window);
            config.journal = self.journal;
            config.limits.log_events = self.log_events;
            config.limits.send_window = self.send_window;
            config.limits.reply_frames = self.reply_frames;
            config.limits.back_pressure = self.back_pressure;
            config.limits.retained_jobs = self.retained;
            config.limits.writer_chunk_bytes = self.writer_chunk;
            config.limits.history_events = self.history_events;
            config.limits.store_window = self.store_window;
            config.ask_first = Lease::parse(self.marks).expect("good patterns");
            config.approval_timeout = Duration::from_secs(self.approval_secs);
            config.approvers = self.approvers();
            config.operators = self.operators();
        })
    }

    pub(super) fn has_marks(&self) -> bool {
        self.marks != MARKS[0]
    }

    pub(super) fn approvers(&self) -> BTreeSet<String> {
        BTreeSet::from_iter(self.has_approver.then(|| APPROVER.to_owned()))
    }

    pub(super) fn operators(&self) -> BTreeSet<String> {
        BTreeSet::from_iter(self.has_operator.then(|| APPROVER.to_owned()))
    }
}
