//! `nuncio conformance --serve`: plays a runtime, and judges the client that connects.

mod play;
mod recording;
mod rules;
#[cfg(test)]
mod rules_tests;

use std::cell::RefCell;
use std::rc::Rc;

use super::options::Options;
use super::report::{Report, Row};
use super::transcript::Transcript;
use crate::error::Error;
use crate::text::eprint_line;
use play::Play;
use rules::{ClientRule, RULES};

/// Judges the client that connects; returns whether no rule is broken.
pub(super) async fn judge_client(options: &Options, address: &str) -> Result<bool, Error> {
    let failed = |error| Error::Address { address: address.to_owned(), error, option: "--serve" };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    eprint_line(&format!("READY ws://{local}/arcp"));
    let log = Rc::new(RefCell::new(Transcript::new([])));
    let mut play = Play::new(options.timeout, Rc::clone(&log));
    play.run(&listener).await;
    let mut report = Report::new(options.format());
    for rule in RULES {
        let ClientRule { section, name, level, sentence, about, .. } = rule;
        let mut frames = log.borrow().without_frames();
        play.recording.show(about, &mut frames);
        let row = Row::new((section, name, *level, sentence), "a client", (rule.judge)(&play.recording), &frames);
        report.add(row)?;
    }
    report.finish(options.junit.as_deref())
}
