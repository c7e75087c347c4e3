//! Progress bars, spinners and budget gauges on a terminal.

use std::time::Duration;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use nuncio_tokio::arcp::{EventKind, JobEvent, JobId};

use super::human;
use super::job::FollowedJob;
use crate::text::sanitize;

/// Positions of a bar, to which every total is scaled. A terminal cannot show more.
const STEPS: u32 = 1_000;
/// How often bars are drawn again and spinners turn.
const TICK: Duration = Duration::from_millis(100);
/// The share of a budget below which its gauge turns red.
const LOW: f64 = 0.2;

/// The bars below the lines, of all jobs that run.
pub(super) struct Bars {
    all: MultiProgress,
    jobs: Vec<Job>,
}

/// The bars of one job.
struct Job {
    job_id: JobId,
    bar: ProgressBar,
    gauges: Vec<Gauge>,
    /// Bytes of the result.
    received: u64,
}

/// What is left of a budget in one currency.
struct Gauge {
    currency: String,
    granted: f64,
    granted_text: String,
    bar: ProgressBar,
}

impl Bars {
    pub(super) fn new() -> Bars {
        Bars { all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), jobs: Vec::new() }
    }

    /// Adds a spinner for a job, and a gauge for each currency of its budget.
    pub(super) fn add(&mut self, job: &FollowedJob, budget: &[(String, String)]) {
        let bar = self.all.add(ProgressBar::new(STEPS.into()).with_style(spinner()).with_message("runs"));
        bar.set_prefix(sanitize(&job.agent).into_owned());
        bar.enable_steady_tick(TICK);
        let mut after = bar.clone();
        let mut gauges = Vec::new();
        for (currency, amount) in budget {
            let gauge = Gauge {
                currency: currency.clone(),
                granted: amount.parse().unwrap_or_default(),
                granted_text: amount.clone(),
                bar: self.all.insert_after(&after, ProgressBar::new(STEPS.into()).with_prefix("budget")),
            };
            gauge.show(amount);
            gauge.bar.enable_steady_tick(TICK);
            after = gauge.bar.clone();
            gauges.push(gauge);
        }
        self.jobs.push(Job { job_id: job.job_id.clone(), bar, gauges, received: 0 });
    }

    pub(super) fn remove(&mut self, job: &FollowedJob) {
        if let Some(place) = self.jobs.iter().position(|shown| shown.job_id == job.job_id) {
            let shown = self.jobs.swap_remove(place);
            for bar in shown.bars() {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
        }
    }

    /// Shows an event in a bar or a gauge. Returns `false` for an event that belongs on a line.
    pub(super) fn update(&self, job: &FollowedJob, event: &JobEvent) -> bool {
        let Some(shown) = self.jobs.iter().find(|shown| shown.job_id == job.job_id) else { return false };
        let body = event.body.as_str();
        match event.kind {
            EventKind::Progress => {
                let Some(text) = human::progress(body) else { return false };
                match human::fraction(body) {
                    Some(fraction) => {
                        shown.bar.set_style(bar());
                        shown.bar.set_position(steps(fraction));
                    }
                    None => shown.bar.set_style(spinner()),
                }
                shown.bar.set_message(sanitize(&text).into_owned());
                true
            }
            EventKind::Metric => {
                let Some((currency, amount)) = human::remaining(body) else { return false };
                match shown.gauges.iter().find(|gauge| gauge.currency == currency) {
                    Some(gauge) => {
                        gauge.show(&amount);
                        true
                    }
                    None => false,
                }
            }
            EventKind::Log
            | EventKind::Thought
            | EventKind::ToolCall
            | EventKind::ToolResult
            | EventKind::Status
            | EventKind::ArtifactRef
            | EventKind::Delegate
            | EventKind::ResultChunk
            | EventKind::Other(_) => false,
        }
    }

    /// Counts bytes of the result in the job's bar.
    pub(super) fn received(&mut self, job: &FollowedJob, bytes: usize) {
        if let Some(shown) = self.jobs.iter_mut().find(|shown| shown.job_id == job.job_id) {
            shown.received += bytes as u64;
            shown.bar.set_message(format!("result {}", HumanBytes(shown.received)));
        }
    }

    /// Prints a line above the bars. It has nothing from outside that a terminal acts on.
    pub(super) fn line(&self, line: &str) {
        // If the terminal is gone, the job is followed all the same.
        drop(self.all.println(line));
    }

    /// Removes all bars.
    pub(super) fn clear(&self) {
        for job in &self.jobs {
            for bar in job.bars() {
                bar.finish_and_clear();
            }
        }
        drop(self.all.clear());
    }
}

impl Job {
    fn bars(&self) -> impl Iterator<Item = &ProgressBar> {
        self.gauges.iter().map(|gauge| &gauge.bar).chain([&self.bar])
    }
}

impl Drop for Bars {
    /// Removes the bars, if the command is left while jobs run.
    fn drop(&mut self) {
        self.clear();
    }
}

impl Gauge {
    fn show(&self, amount: &str) {
        let left: f64 = amount.parse().unwrap_or_default();
        let share = if self.granted > 0.0 { (left / self.granted).clamp(0.0, 1.0) } else { 0.0 };
        self.bar.set_style(gauge(share < LOW));
        self.bar.set_position(steps(share));
        let text = format!("{} {amount} of {} left", self.currency, self.granted_text);
        self.bar.set_message(sanitize(&text).into_owned());
    }
}

fn steps(share: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is from 0 to STEPS")]
    let steps = (share * f64::from(STEPS)).round() as u64;
    steps
}

fn spinner() -> ProgressStyle {
    template("{prefix:.bold} {spinner:.cyan} {wide_msg}")
}

fn bar() -> ProgressStyle {
    template("{prefix:.bold} [{bar:30.cyan/dim}] {percent:>3}% {wide_msg}").progress_chars("=> ")
}

fn gauge(low: bool) -> ProgressStyle {
    let chars = "## ";
    if low {
        template("{prefix:.bold} [{bar:30.red/dim}] {wide_msg}").progress_chars(chars)
    } else {
        template("{prefix:.bold} [{bar:30.green/dim}] {wide_msg}").progress_chars(chars)
    }
}

/// Compiles a template. The tests on a terminal show that each of them is valid.
fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar())
}
