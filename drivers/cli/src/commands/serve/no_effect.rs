//! Options that have no effect without others.

use nuncio_tokio::arcp::OnRestart;

use super::agent::Restart;
use super::build::LOCAL_PRINCIPAL;
use super::settings::Settings;

/// Returns a warning for each option that is given and has no effect.
pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    let watch = "--watch has no effect, because there are no files of tokens, keys or certificates, and no --config";
    let path = "--path has no effect without --listen or --console, because clients on stdin and stdout have no URL";
    let is_unwatched = settings.watch && settings.security_files().is_empty();
    let is_unreachable = settings.path.is_some() && settings.listen.is_none() && settings.console.is_none();
    let found = [rerun(settings), is_unwatched.then(|| watch.to_owned()), is_unreachable.then(|| path.to_owned())];
    found.into_iter().flatten().map(|text| warning(&text)).chain(strangers(settings)).collect()
}

fn warning(text: &str) -> String {
    format!("nuncio: warning: {text}")
}

/// Returns a warning for each operator and approver that cannot log in.
pub(super) fn strangers(settings: &Settings) -> Vec<String> {
    let strangers = settings.security.without_token(LOCAL_PRINCIPAL).into_iter().map(|(option, principal)| {
        format!(
            "{option} {principal} has no effect, because no token has this principal and there is no other way to log in; \
             check the name, or give it a token"
        )
    });
    strangers.map(|text| warning(&text)).collect()
}

/// Names the agents whose jobs are to run again after a restart, if there is no journal.
fn rerun(settings: &Settings) -> Option<String> {
    let rerun = |(name, restart): (&String, &Restart)| {
        (restart.on_restart() == OnRestart::Rerun).then(|| format!("--restart {name}=rerun"))
    };
    let rerun: Vec<String> = settings.restart.iter().filter_map(rerun).collect();
    let verb = if rerun.len() == 1 { "has" } else { "have" };
    let named = rerun.join(" and ");
    (settings.journal.is_none() && !rerun.is_empty())
        .then(|| format!("{named} {verb} no effect without --journal FILE, because no job survives a restart then"))
}
