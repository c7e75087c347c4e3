//! What is measured, and in which unit.

use clap::ValueEnum;

/// What is measured
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Measure {
    /// Events of one job to one client, which decodes them
    Events,
    /// Echo jobs one after another
    Echo,
    /// Echo jobs, 64 at a time in one session
    Flight,
    /// Events of one job that 100 sessions watch
    Watch,
    /// Bytes of a streamed result
    Stream,
    /// Sessions that do nothing
    Idle,
    /// The server's memory after very many jobs and events, which takes minutes and is measured only on request
    Long,
}

/// A number that a measurement returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) better: Better,
}

/// Which numbers are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
    /// The numbers of two sides have no ratio.
    Alone,
}

const fn more(name: &'static str) -> Column {
    Column { name, better: Better::More }
}

const fn less(name: &'static str) -> Column {
    Column { name, better: Better::Less }
}

const fn alone(name: &'static str) -> Column {
    Column { name, better: Better::Alone }
}

impl Measure {
    /// The numbers that a side returns, in their order.
    pub(crate) fn columns(self) -> &'static [Column] {
        const EVENTS: &[Column] = &[more("events/s, one job to one client")];
        const ECHO: &[Column] = &[less("echo, one by one: p50 in us"), less("echo, one by one: p99 in us")];
        const FLIGHT: &[Column] = &[more("echo jobs/s, 64 in flight")];
        const WATCH: &[Column] = &[more("events/s to 100 watchers in all")];
        const STREAM: &[Column] = &[more("streamed result: MB/s"), alone("streamed result: server grows by MiB")];
        const IDLE: &[Column] =
            &[less("idle session: server memory in KiB"), alone("idle sessions: CPU in % of a core")];
        const LONG: &[Column] =
            &[alone("all jobs after a tenth: server grows by %"), alone("ten times as many events: server grows by %")];
        match self {
            Measure::Events => EVENTS,
            Measure::Echo => ECHO,
            Measure::Flight => FLIGHT,
            Measure::Watch => WATCH,
            Measure::Stream => STREAM,
            Measure::Idle => IDLE,
            Measure::Long => LONG,
        }
    }

    /// How much is measured in a round: events, jobs, events for each watcher, MiB, or sessions.
    pub(crate) fn amount(self, scale: u64) -> u64 {
        let full = match self {
            Measure::Events => 300_000,
            Measure::Echo => 5_000,
            Measure::Flight => 20_000,
            Measure::Watch => 2_000,
            Measure::Stream => 256,
            Measure::Idle => 4_000,
            Measure::Long => 1_000_000,
        };
        (full * scale / 100).max(1)
    }

    /// What a side that is slower by far measures, so that a round does not take minutes.
    pub(crate) fn amount_of_peer(self, scale: u64) -> u64 {
        let part = match self {
            Measure::Events | Measure::Flight | Measure::Watch => 10,
            Measure::Echo | Measure::Stream | Measure::Idle | Measure::Long => 5,
        };
        (self.amount(scale) / part).max(1)
    }
}
