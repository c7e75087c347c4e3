//! What `nuncio submit --detach` keeps for `nuncio cancel`: only the session that submitted a job may cancel it (§7.4), so
//! a later command takes that session up.
//!
//! One file per job in `$XDG_STATE_HOME/nuncio` (`~/.local/state/nuncio`), for its owner's eyes only. The resume token in it
//! is of no use without the bearer token, which is not kept.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nuncio_tokio::arcp::{ResumePoint, Secret, Time};
use serde::{Deserialize, Serialize};

use crate::times::now;

/// Where nothing is said of how long a session can be resumed.
const WINDOW: Duration = Duration::from_mins(10);

#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    session_id: String,
    resume_token: String,
    last_event_seq: u64,
    until: String,
}

/// Keeps a session for its job, and forgets those that have lapsed. Returns until when it can be taken up.
pub(crate) fn keep(url: &str, job_id: &str, point: &ResumePoint, window: Option<u64>) -> io::Result<String> {
    let (folder, path) = places(job_id)?;
    make_private(&folder)?;
    let until = now().plus_secs(window.unwrap_or(WINDOW.as_secs())).to_rfc3339();
    let kept = Kept {
        url: url.to_owned(),
        session_id: point.session_id.clone(),
        resume_token: point.token.expose().to_owned(),
        last_event_seq: point.last_event_seq,
        until: until.clone(),
    };
    // Such a file is its owner's alone from the beginning.
    let mut file = tempfile::Builder::new().prefix(".").tempfile_in(&folder)?;
    file.write_all(&serde_json::to_vec(&kept)?)?;
    file.persist(path).map_err(|error| error.error)?;
    prune(&folder);
    Ok(until)
}

/// The session that submitted the job to this runtime, if it was kept.
pub(crate) fn find(url: &str, job_id: &str) -> Option<ResumePoint> {
    let (_, path) = places(job_id).ok()?;
    let kept = read(&path)?;
    (kept.url == url).then(|| ResumePoint {
        session_id: kept.session_id,
        token: Secret::new(kept.resume_token),
        last_event_seq: kept.last_event_seq,
    })
}

/// The session is of no more use.
pub(crate) fn forget(job_id: &str) {
    if let Ok((_, path)) = places(job_id) {
        // It may never have been kept.
        drop(fs::remove_file(path));
    }
}

fn read(path: &Path) -> Option<Kept> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The folder, and the job's file in it.
fn places(job_id: &str) -> io::Result<(PathBuf, PathBuf)> {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = named(if cfg!(windows) { "LOCALAPPDATA" } else { "XDG_STATE_HOME" });
    let state = state.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    let folder = state.ok_or_else(|| io::Error::other("there is no home folder"))?.join("nuncio");
    // The runtime chose the id: it must not choose another folder.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if job_id.is_empty() || job_id.len() > 128 || !job_id.bytes().all(plain) {
        return Err(io::Error::other("the job's id is no name for a file"));
    }
    let path = folder.join(format!("{job_id}.json"));
    Ok((folder, path))
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Files of sessions that can no longer be taken up. What cannot be read or removed now is left for the next time.
fn prune(folder: &Path) {
    let lapsed = |path: &Path| {
        let kept = path.extension().is_some_and(|extension| extension == "json").then(|| read(path)).flatten();
        kept.and_then(|kept| Time::parse_rfc3339(&kept.until)).is_some_and(|until| until < now())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for path in entries.map(|entry| entry.path()).filter(|path| lapsed(path)) {
        drop(fs::remove_file(path));
    }
}
