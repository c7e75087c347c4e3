//! Judges a runtime by the rules, one after the other.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;

use nuncio_tokio::arcp::ClientOptions;

use super::frame::{code, kind, text};
use super::options::Options;
use super::report::{Report, Row, shown};
use super::rule::Rule;
use super::runtime;
use super::transcript::Transcript;
use super::trial::{FEATURES, Target, Trial};
use super::wire::{Arrival, Wire};
use crate::error::Error;

/// Judges a runtime; returns whether no rule is broken.
pub(super) async fn judge_runtime(options: &Options) -> Result<bool, Error> {
    let rules = selected(&options.only)?;
    let target = target(options)?;
    greet(&target).await?;
    let mut report = Report::new(options.format());
    for (group, rule) in rules {
        let secrets = [Some(&target.token), target.other_token.as_ref()];
        let transcript = Transcript::new(secrets.into_iter().flatten().map(nuncio_tokio::arcp::Secret::expose));
        let log = Rc::new(RefCell::new(transcript));
        let trial = Trial::new(&target, Rc::clone(&log));
        let judged = (rule.check)(&trial).await;
        let Rule { section, name, level, sentence, .. } = *rule;
        let row = Row::new((section, name, level, sentence), group, judged, &log.borrow());
        report.add(row)?;
    }
    report.finish(options.junit.as_deref())
}

/// Returns the rules that `--only` selects, with the titles of their groups.
fn selected(only: &[String]) -> Result<Vec<(&'static str, &'static Rule)>, Error> {
    if let Some(wrong) = only.iter().find(|wanted| !runtime::rules().any(|(_, rule)| is_selected(rule, wanted))) {
        return Err(Error::Usage(format!(
            "--only {wrong} selects no rule; give a section such as §6.3, or a rule such as §6.3/replay"
        )));
    }
    let wanted = |rule: &Rule| only.is_empty() || only.iter().any(|wanted| is_selected(rule, wanted));
    Ok(runtime::rules().filter(|(_, rule)| wanted(rule)).collect())
}

/// Returns whether a selection such as `§6.3`, `6.3/replay` or `replay` is about the rule.
fn is_selected(rule: &Rule, wanted: &str) -> bool {
    let section = rule.section.trim_start_matches('§');
    let (of, name) = match wanted.trim_start_matches('§').split_once('/') {
        Some((of, name)) => (Some(of), Some(name)),
        None if wanted.contains(|c: char| c.is_ascii_digit()) => (Some(wanted.trim_start_matches('§')), None),
        None => (None, Some(wanted)),
    };
    let is_within = |of: &str| section == of || section.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'));
    of.is_none_or(is_within) && name.is_none_or(|name| shown(rule.name) == shown(name))
}

fn target(options: &Options) -> Result<Target, Error> {
    let url = options.url.as_deref().unwrap_or_default();
    let url =
        ClientOptions::new(url).map_err(|error| Error::Usage(format!("{error}; write it as ws://HOST:PORT/arcp")))?;
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| Error::System(std::io::Error::other(error)))?;
    Ok(Target {
        url,
        tls: options.tls.client_tls()?,
        token: options.token.read()?,
        other_token: options.other_token.clone(),
        agents: options.agents.clone(),
        session_limit: options.session_limit.map(NonZeroUsize::get),
        result_limit: options.result_limit.map(|size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX)),
        patience: options.timeout,
        run: format!("{:016x}", u64::from_ne_bytes(seed)),
    })
}

/// Opens a session, without which no rule can be judged.
async fn greet(target: &Target) -> Result<(), Error> {
    let log = Rc::new(RefCell::new(Transcript::new([target.token.expose()])));
    let dialled = Wire::dial(&target.url, target.tls.as_ref(), target.patience, &log).await;
    let mut wire = dialled.map_err(|error| {
        Error::Unreachable(match error.kind() {
            // A server is running there, and the error says what to check.
            std::io::ErrorKind::Unsupported => error.to_string(),
            _ => format!(
                "cannot connect to the runtime: {error}; check that it is running there and that the URL is right"
            ),
        })
    })?;
    let hello = Trial::new(target, Rc::clone(&log)).hello(&FEATURES[1..]);
    wire.request("session.hello", &hello).await;
    let refused = match wire.arrival(target.patience).await {
        Arrival::Frame(frame) if kind(&frame) == "session.welcome" => return Ok(()),
        Arrival::Frame(frame) if code(&frame) == "UNAUTHENTICATED" => {
            return Err(Error::Refused(
                "the runtime refuses the token; check --token, --token-file, NUNCIO_TOKEN or NUNCIO_TOKEN_FILE"
                    .to_owned(),
            ));
        }
        Arrival::Frame(frame) => format!("{} {} {}", kind(&frame), code(&frame), text(&frame, "/payload/message")),
        Arrival::Garbage => "a message that is no JSON object".to_owned(),
        Arrival::Ended(_) => "the end of the connection".to_owned(),
        Arrival::Silence => "nothing".to_owned(),
    };
    let refused = log.borrow().without_secrets(&refused);
    Err(Error::Refused(format!("the runtime answers a hello with {refused}, not with session.welcome")))
}

#[cfg(test)]
mod tests {
    use super::{is_selected, selected};
    use crate::commands::conformance::runtime;

    #[test]
    fn rules_are_selected_by_section_and_name() {
        let count = |only: &[&str]| {
            selected(&only.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).map(|rules| rules.len())
        };
        let all = runtime::rules().count();
        assert_eq!(count(&[]).ok(), Some(all));
        assert_eq!(count(&["§6.3/replay"]).ok(), Some(1));
        assert_eq!(count(&["6.3/jobs-outlive-connections"]).ok(), Some(1));
        assert_eq!(count(&["no-silent-gap", "§6.3/replay"]).ok(), Some(2));
        assert!(count(&["§6"]).ok() > count(&["§6.3"]).ok() && count(&["§6.3"]).ok() > Some(5));
        assert!(count(&["§6.33"]).is_err() && count(&["§6.3/nothing"]).is_err());
    }

    #[test]
    fn a_section_is_not_a_prefix_of_another_number() {
        let of_1 = runtime::rules().filter(|(_, rule)| is_selected(rule, "§1")).count();
        assert_eq!(of_1, 0, "§10, §11 and §12 are other sections");
    }
}
