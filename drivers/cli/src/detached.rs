//! The sessions that `nuncio submit` saves for `nuncio cancel`. While the session that submitted a job exists, only
//! it may cancel the job (§7.4), so `cancel` resumes that session, once the process that submitted the job has left it.
//!
//! There is one file per job in `$XDG_STATE_HOME/nuncio` (default `~/.local/state/nuncio`; on Windows
//! `%LOCALAPPDATA%\nuncio`), readable by its owner only. It holds a resume token, which is useless without the bearer
//! token, and the bearer token is not saved.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nuncio_tokio::arcp::{Client, Feature, JobId, ResumePoint, Secret, SessionId, Time, Welcome};
use serde::{Deserialize, Serialize};

use crate::private;
use crate::time::now;

/// How long a session is taken to be resumable if the runtime does not say.
const DEFAULT_WINDOW: Duration = Duration::from_mins(10);

#[derive(Serialize, Deserialize)]
struct SavedSession {
    url: String,
    session_id: SessionId,
    resume_token: String,
    last_event_seq: u64,
    until: String,
    /// The process that uses the session, and with which a resume would interfere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<u32>,
}

/// What came of saving the session of a job that this process leaves.
pub(crate) struct Left {
    pub(crate) saved: io::Result<()>,
    /// Until when the session can be resumed.
    pub(crate) until: String,
    /// Whether the runtime then lets every session of the principal cancel the job. Nuncio's does (core/docs/arcp.md §7.4).
    pub(crate) then_principal: bool,
}

/// The session of a job that is followed, which is saved for the time after that.
pub(crate) struct Kept<'a> {
    client: &'a Client,
    url: String,
    job_id: JobId,
}

impl<'a> Kept<'a> {
    pub(crate) fn new(client: &'a Client, url: String, job_id: JobId) -> Kept<'a> {
        Kept { client, url, job_id }
    }

    /// Saves the session while this process uses it, in case that it is killed.
    pub(crate) fn hold(&self) -> io::Result<()> {
        let Some(point) = self.client.resume_point() else { return Ok(()) };
        save_held(&self.url, &self.job_id, &point, &self.lapse(), Some(std::process::id()))
    }

    /// Saves the session for others, because this process leaves it; `None` if the runtime resumes no sessions.
    pub(crate) fn leave(&self) -> Option<Left> {
        let (point, until) = (self.client.resume_point()?, self.lapse());
        let saved = save_held(&self.url, &self.job_id, &point, &until, None);
        let then_principal = self.client.welcome().is_some_and(|welcome| releases_jobs(&welcome));
        Some(Left { saved, until, then_principal })
    }

    /// Deletes the session, because the job has ended.
    pub(crate) fn end(&self) {
        delete(&self.job_id);
    }

    fn lapse(&self) -> String {
        lapse(self.client.welcome().and_then(|welcome| welcome.resume_window_sec))
    }
}

/// Whether a job whose session can no longer be resumed may be cancelled by every session of its principal. The runtime of
/// Nuncio allows it; others do not say.
pub(crate) fn releases_jobs(welcome: &Welcome) -> bool {
    welcome.features.has(Feature::AcceptedReplay)
}

/// Saves a job's session and deletes the files of lapsed ones.
pub(crate) fn save(url: &str, job_id: &JobId, point: &ResumePoint, window_secs: Option<u64>) -> io::Result<()> {
    save_held(url, job_id, point, &lapse(window_secs), None)
}

/// Until when a session that is left now can be resumed.
fn lapse(window_secs: Option<u64>) -> String {
    now().plus_secs(window_secs.unwrap_or(DEFAULT_WINDOW.as_secs())).to_rfc3339()
}

fn save_held(url: &str, job_id: &JobId, point: &ResumePoint, until: &str, process: Option<u32>) -> io::Result<()> {
    let folder = folder()?;
    private::create_folder(&folder)?;
    let session = SavedSession {
        url: url.to_owned(),
        session_id: point.session_id.clone(),
        resume_token: point.token.expose().to_owned(),
        last_event_seq: point.last_event_seq,
        until: until.to_owned(),
        process,
    };
    // A temporary file is readable by its owner only, and keeps that mode under its new name.
    let mut file = tempfile::Builder::new().prefix(".").tempfile_in(&folder)?;
    file.write_all(&serde_json::to_vec(&session)?)?;
    file.persist(path(&folder, job_id)?).map_err(|error| error.error)?;
    delete_lapsed(&folder);
    Ok(())
}

/// What is saved of the session that submitted a job.
pub(crate) enum Saved {
    /// What it takes to resume it.
    Point(ResumePoint),
    /// This process still uses it.
    InUse(u32),
    /// It is one of the runtime at this URL.
    OfAnother(String),
    /// Nothing.
    None,
}

/// Finds the saved session that submitted a job to the runtime at `url`.
pub(crate) fn find(url: &str, job_id: &JobId) -> Saved {
    let path = folder().and_then(|folder| path(&folder, job_id));
    let Some(session) = path.ok().and_then(|path| read(&path)) else { return Saved::None };
    if session.url != url {
        return Saved::OfAnother(session.url);
    }
    match session.process.filter(|process| is_running(*process)) {
        Some(process) => Saved::InUse(process),
        None => Saved::Point(ResumePoint {
            session_id: session.session_id,
            token: Secret::new(session.resume_token),
            last_event_seq: session.last_event_seq,
        }),
    }
}

/// Deletes a job's session, if one was saved.
pub(crate) fn delete(job_id: &JobId) {
    if let Ok(path) = folder().and_then(|folder| path(&folder, job_id)) {
        let _not_saved = fs::remove_file(path);
    }
}

/// Returns whether there is a process with this id that has not ended.
#[cfg(unix)]
fn is_running(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
        && !is_zombie(process)
}

/// Returns whether a process has ended and its parent has not asked how, as far as the system tells it in Linux's way.
#[cfg(unix)]
fn is_zombie(process: u32) -> bool {
    // The name of the program is in parentheses, and may have some itself.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, state)| state.trim_start().starts_with('Z'))
}

/// It is not known. A session that is taken over ends the process that follows it.
#[cfg(not(unix))]
fn is_running(_process: u32) -> bool {
    true
}

fn read(path: &Path) -> Option<SavedSession> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn folder() -> io::Result<PathBuf> {
    private::folder(if cfg!(windows) { "LOCALAPPDATA" } else { "XDG_STATE_HOME" }, ".local/state")
}

/// The file of a job. The runtime chose the id, so an id that could lead out of the folder is refused.
fn path(folder: &Path, job_id: &JobId) -> io::Result<PathBuf> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let id = job_id.as_str();
    if id.is_empty() || id.len() > 128 || !id.bytes().all(is_plain) {
        return Err(io::Error::other("the job's id cannot be used as a file name"));
    }
    Ok(folder.join(format!("{id}.json")))
}

/// Deletes the files of sessions that can no longer be resumed. A file that cannot be read or deleted stays.
fn delete_lapsed(folder: &Path) {
    let has_lapsed = |path: &Path| {
        let is_session = path.extension().is_some_and(|extension| extension == "json");
        let until = is_session.then(|| read(path)).flatten().and_then(|session| Time::parse_rfc3339(&session.until));
        until.is_some_and(|until| until < now())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for path in entries.map(|entry| entry.path()).filter(|path| has_lapsed(path)) {
        let _stays = fs::remove_file(path);
    }
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_that_has_ended_is_not_running_before_its_parent_asks() {
        assert!(is_running(std::process::id()));
        let mut child = Command::new("true").spawn().unwrap();
        // It ends by itself, and stays until `wait`.
        while is_running(child.id()) {
            std::thread::yield_now();
        }
        assert!(child.wait().unwrap().success());
    }
}
