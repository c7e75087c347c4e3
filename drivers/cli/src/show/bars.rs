//! Progress bars, spinners and budget gauges on a terminal.

use std::sync::Arc;
use std::time::Duration;

use console::Style;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use nuncio_tokio::arcp::{EventKind, JobEvent};

use super::{Who, words};
use crate::text::plain;

/// Steps of a bar: as fine as a terminal can show, for any total.
const STEPS: u32 = 1_000;
/// How often spinners turn and what has changed is drawn.
const TICK: Duration = Duration::from_millis(100);
/// The share of a budget below which its gauge warns.
const LOW: f64 = 0.2;

/// What is drawn below the lines.
pub(super) struct Bars {
    all: MultiProgress,
    jobs: Vec<Job>,
}

struct Job {
    job_id: Arc<str>,
    bar: ProgressBar,
    gauges: Vec<Gauge>,
    received: u64,
}

struct Gauge {
    currency: String,
    granted: f64,
    text: String,
    bar: ProgressBar,
}

impl Bars {
    pub(super) fn new() -> Bars {
        Bars { all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), jobs: Vec::new() }
    }

    /// A job's spinner, and a gauge for each currency it may spend.
    pub(super) fn add(&mut self, who: &Who, budget: &[(String, String)]) {
        let bar = self.all.add(ProgressBar::new(STEPS.into()).with_style(spinner()).with_message("runs"));
        bar.set_prefix(plain(&who.agent).into_owned());
        bar.enable_steady_tick(TICK);
        let mut after = bar.clone();
        let mut gauges = Vec::new();
        for (currency, amount) in budget {
            let gauge = Gauge {
                currency: currency.clone(),
                granted: amount.parse().unwrap_or_default(),
                text: amount.clone(),
                bar: self.all.insert_after(&after, ProgressBar::new(STEPS.into()).with_prefix("budget")),
            };
            gauge.show(amount);
            gauge.bar.enable_steady_tick(TICK);
            after = gauge.bar.clone();
            gauges.push(gauge);
        }
        self.jobs.push(Job { job_id: Arc::clone(&who.job_id), bar, gauges, received: 0 });
    }

    pub(super) fn remove(&mut self, who: &Who) {
        if let Some(place) = self.jobs.iter().position(|job| job.job_id == who.job_id) {
            let job = self.jobs.swap_remove(place);
            for bar in job.gauges.iter().map(|gauge| &gauge.bar).chain([&job.bar]) {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
        }
    }

    /// Shows the event in a bar or a gauge; false if it is worth a line.
    pub(super) fn absorb(&self, who: &Who, event: &JobEvent) -> bool {
        let Some(job) = self.jobs.iter().find(|job| job.job_id == who.job_id) else { return false };
        let body = event.body.as_str();
        match event.kind {
            EventKind::Progress => {
                let Some(text) = words::progress(body) else { return false };
                match words::fraction(body) {
                    Some(fraction) => {
                        job.bar.set_style(bar());
                        job.bar.set_position(steps(fraction));
                    }
                    None => job.bar.set_style(spinner()),
                }
                job.bar.set_message(plain(&text).into_owned());
                true
            }
            EventKind::Metric => {
                let Some((currency, amount)) = words::remaining(body) else { return false };
                match job.gauges.iter().find(|gauge| gauge.currency == currency) {
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

    /// Bytes of the result that went elsewhere.
    pub(super) fn received(&mut self, who: &Who, bytes: usize) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.job_id == who.job_id) {
            job.received += bytes as u64;
            job.bar.set_message(format!("result {}", HumanBytes(job.received)));
        }
    }

    /// A line for an event, in colour.
    pub(super) fn event(&self, who: &Who, event: &JobEvent) {
        let body = event.body.as_str();
        let kind = match event.kind {
            EventKind::ToolResult if words::is_error(body) => style().red(),
            EventKind::ToolCall | EventKind::ToolResult => style().blue(),
            EventKind::Thought => style().magenta(),
            EventKind::Metric => style().green(),
            EventKind::Status | EventKind::Delegate => style().yellow(),
            EventKind::Log
            | EventKind::ArtifactRef
            | EventKind::Progress
            | EventKind::ResultChunk
            | EventKind::Other(_) => style().cyan(),
        };
        let whose = if who.child {
            style().bold().apply_to(format!("{}: ", plain(&who.agent))).to_string()
        } else {
            String::new()
        };
        self.draw(&format!(
            "{} {whose}{} {}",
            style().dim().apply_to(format_args!("#{}", event.seq)),
            kind.apply_to(plain(event.kind.as_str())),
            plain(&words::of(&event.kind, body)),
        ));
    }

    pub(super) fn line(&self, line: &str) {
        self.draw(&plain(line));
    }

    /// Above the bars.
    fn draw(&self, line: &str) {
        // A terminal that is gone does not read it; the job goes on.
        drop(self.all.println(line));
    }

    /// Nothing is drawn any more.
    pub(super) fn clear(&self) {
        for job in &self.jobs {
            for bar in job.gauges.iter().map(|gauge| &gauge.bar).chain([&job.bar]) {
                bar.finish_and_clear();
            }
        }
        // As for lines.
        drop(self.all.clear());
    }
}

impl Gauge {
    fn show(&self, amount: &str) {
        let left: f64 = amount.parse().unwrap_or_default();
        let share = if self.granted > 0.0 { (left / self.granted).clamp(0.0, 1.0) } else { 0.0 };
        self.bar.set_style(gauge(share < LOW));
        self.bar.set_position(steps(share));
        self.bar.set_message(format!("{} {} of {} left", plain(&self.currency), plain(amount), plain(&self.text)));
    }
}

fn style() -> Style {
    Style::new().for_stderr()
}

fn steps(share: f64) -> u64 {
    // Rounded, from 0 to STEPS: nothing is cut off.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to STEPS")]
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

/// The tests show that all of them can be read.
fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar())
}
