//! Reads records from any bytes.

mod events;
mod values;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use self::events::{RawEnded, RawEvent, RawShown};
use self::values::{budget, damaged, dialect, digest, envelope, features, time, trace};
use super::error::RecordError;
use super::{JobAccepted, JobInput, Record, SessionOpened, SessionToken, Watching};
use crate::arcp::runtime::sessions::watches::Role;
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::arcp::wire::job::Accepted;
use crate::json::{Text, on_one_line};
use crate::lease::Lease;

impl Record {
    /// Reads a record that [`Record::encode`] wrote. Unknown members are ignored.
    ///
    /// Errors: a journal may skip a record with [`RecordError::Unknown`]. It must stop at any other error, because what
    /// the record has acknowledged would be lost. Only the last record of a file may be cut off, if its writer crashed.
    pub fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
        let text = core::str::from_utf8(bytes).map_err(|_| RecordError::Damaged("it is not UTF-8".to_string()))?;
        let head: Head<'_> = read(text)?;
        if head.v != u64::from(Record::VERSION) {
            return Err(RecordError::Version(head.v));
        }
        match head.t.as_str() {
            "session_opened" => read::<RawOpened<'_>>(text)?.record(),
            "session_token" => read::<RawToken<'_>>(text)?.record(),
            "session_detached" => {
                let RawDetached { session, at, goodbye } = read(text)?;
                Ok(Record::SessionDetached { session, at: time(at)?, goodbye })
            }
            "session_closed" => read(text).map(|RawSession { session }| Record::SessionClosed { session }),
            "acknowledged" => read(text).map(|RawAck { session, seq }| Record::Acknowledged { session, seq: seq.0 }),
            "job_accepted" => read::<RawAccepted<'_>>(text)?.record(),
            "job_input" => Ok(read::<RawInput<'_>>(text)?.record()),
            "job_noted" => read::<RawNoted<'_>>(text)?.record(),
            "watching" => read::<RawWatching<'_>>(text)?.record(),
            "unwatched" => read(text).map(|RawUnwatched { session, job }| Record::Unwatched { session, job }),
            "watching_elsewhere" => read::<RawElsewhere<'_>>(text)?.record(),
            "job_event" => read::<RawEvent<'_>>(text)?.record(),
            "session_event" => read::<RawShown<'_>>(text)?.record(),
            "job_doomed" => read(text).map(|RawDoomed { job, cancelled }| Record::JobDoomed { job, cancelled }),
            "job_ended" => read::<RawEnded<'_>>(text)?.record(),
            "job_forgotten" => read(text).map(|RawJob { job }| Record::JobForgotten { job }),
            "key_forgotten" => read(text).map(|RawJob { job }| Record::KeyForgotten { job }),
            "credentials_asked" => read(text).map(|RawJob { job }| Record::CredentialsAsked { job }),
            "credentials_answered" => read(text).map(|RawJob { job }| Record::CredentialsAnswered { job }),
            "credential_issued" => read(text).map(|RawCredential { job, id }| Record::CredentialIssued { job, id }),
            "credential_revoked" => read(text).map(|RawCredential { job, id }| Record::CredentialRevoked { job, id }),
            other => Err(RecordError::Unknown(other.chars().take(64).collect())),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, RecordError> {
    serde_json::from_str(text).map_err(|error| RecordError::Damaged(crate::arcp::wire::request::blame(&error)))
}

#[derive(Deserialize)]
struct Head<'a> {
    v: u64,
    #[serde(borrow)]
    t: Text<'a>,
}

#[derive(Deserialize)]
struct RawSession {
    session: SessionUlid,
}

#[derive(Deserialize)]
struct RawDetached {
    session: SessionUlid,
    at: u64,
    #[serde(default)]
    goodbye: bool,
}

#[derive(Deserialize)]
struct RawElsewhere<'a> {
    session: SessionUlid,
    #[serde(borrow)]
    jobs: Vec<RawAbout<'a>>,
}

#[derive(Deserialize)]
struct RawAbout<'a> {
    job: JobUlid,
    #[serde(borrow)]
    trace: Text<'a>,
}

impl RawElsewhere<'_> {
    fn record(self) -> Result<Record, RecordError> {
        let jobs = self.jobs.iter().map(|about| Ok((about.job, trace(&about.trace)?)));
        Ok(Record::WatchingElsewhere { session: self.session, jobs: jobs.collect::<Result<_, _>>()? })
    }
}

#[derive(Deserialize)]
struct RawAck {
    session: SessionUlid,
    seq: Int,
}

#[derive(Deserialize)]
struct RawJob {
    job: JobUlid,
}

#[derive(Deserialize)]
struct RawUnwatched {
    session: SessionUlid,
    job: JobUlid,
}

#[derive(Deserialize)]
struct RawDoomed {
    job: JobUlid,
    cancelled: bool,
}

#[derive(Deserialize)]
struct RawCredential {
    job: JobUlid,
    id: String,
}

#[derive(Deserialize)]
struct RawOpened<'a> {
    session: SessionUlid,
    principal: String,
    #[serde(borrow)]
    features: Vec<Text<'a>>,
    #[serde(borrow)]
    token: Text<'a>,
    at: u64,
    #[serde(borrow)]
    dialect: Option<Text<'a>>,
    #[serde(default)]
    python: bool,
    #[serde(default)]
    stdio: bool,
}

impl RawOpened<'_> {
    fn record(self) -> Result<Record, RecordError> {
        Ok(Record::SessionOpened(Box::new(SessionOpened {
            session: self.session,
            principal: self.principal.into(),
            features: features(&self.features),
            dialect: dialect(self.dialect.as_ref(), self.python),
            stdio: self.stdio,
            token: digest(&self.token, "token")?,
            at: time(self.at)?,
        })))
    }
}

#[derive(Deserialize)]
struct RawToken<'a> {
    session: SessionUlid,
    #[serde(borrow)]
    newest: Text<'a>,
    #[serde(borrow)]
    proved: Option<Text<'a>>,
}

impl RawToken<'_> {
    fn record(self) -> Result<Record, RecordError> {
        Ok(Record::SessionToken(Box::new(SessionToken {
            session: self.session,
            newest: digest(&self.newest, "newest")?,
            proved: self.proved.map(|proved| digest(&proved, "proved")).transpose()?,
        })))
    }
}

#[derive(Deserialize)]
struct RawAccepted<'a> {
    job: JobUlid,
    principal: String,
    agent: String,
    version: Option<String>,
    #[serde(borrow)]
    lease: &'a RawValue,
    #[serde(borrow)]
    features: Vec<Text<'a>>,
    #[serde(borrow)]
    trace: Text<'a>,
    created_at: u64,
    at: u64,
    owner: Option<SessionUlid>,
    parent: Option<JobUlid>,
    delegate_id: Option<String>,
    expires_at: Option<u64>,
    #[serde(borrow)]
    budget: Option<BTreeMap<Text<'a>, &'a RawValue>>,
    #[serde(borrow)]
    key: Option<Text<'a>>,
    #[serde(borrow)]
    asked: Option<Text<'a>>,
    #[serde(default)]
    small_chunks: bool,
}

impl RawAccepted<'_> {
    fn record(self) -> Result<Record, RecordError> {
        let key = match (&self.key, &self.asked) {
            (Some(key), Some(asked)) => Some((digest(key, "key")?, digest(asked, "asked")?)),
            (Some(_), None) | (None, Some(_)) => return Err(damaged("key")),
            (None, None) => None,
        };
        let accepted = Accepted {
            id: self.job,
            principal: self.principal.into(),
            agent: self.agent.into(),
            version: self.version.map(Into::into),
            lease: Lease::parse(self.lease.get()).map_err(|_| damaged("lease"))?,
            expires_at: self.expires_at.map(time).transpose()?,
            budget: self.budget.as_ref().map(budget).transpose()?,
            parent: self.parent,
            delegate_id: self.delegate_id.map(Into::into),
            trace_id: trace(&self.trace)?,
            created_at: time(self.created_at)?,
            accepted_at: time(self.at)?,
        };
        Ok(Record::JobAccepted(Box::new(JobAccepted {
            accepted: Arc::new(accepted),
            owner: self.owner,
            features: features(&self.features),
            small_chunks: self.small_chunks,
            key,
        })))
    }
}

#[derive(Deserialize)]
struct RawInput<'a> {
    job: JobUlid,
    #[serde(borrow, default, deserialize_with = "present")]
    input: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    extensions: Option<&'a RawValue>,
    max_runtime_secs: Option<u64>,
}

/// Reads a member that is there, `null` included.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl RawInput<'_> {
    fn record(self) -> Record {
        let text = |raw: &RawValue| Box::from(on_one_line(raw.get()));
        Record::JobInput(Box::new(JobInput {
            job: self.job,
            input: self.input.map(text),
            extensions: self.extensions.map(text),
            max_runtime_secs: self.max_runtime_secs,
        }))
    }
}

#[derive(Deserialize)]
struct RawNoted<'a> {
    job: JobUlid,
    #[serde(borrow)]
    note: Text<'a>,
}

impl RawNoted<'_> {
    fn record(self) -> Result<Record, RecordError> {
        let note = STANDARD_NO_PAD.decode(self.note.as_str()).map_err(|_| damaged("note"))?;
        Ok(Record::JobNoted { job: self.job, note: note.into() })
    }
}

#[derive(Deserialize)]
struct RawWatching<'a> {
    session: SessionUlid,
    job: JobUlid,
    #[serde(borrow)]
    role: Option<Text<'a>>,
    from: Option<Int>,
    request_id: Option<String>,
    #[serde(borrow)]
    announced: Option<Text<'a>>,
}

impl RawWatching<'_> {
    fn record(self) -> Result<Record, RecordError> {
        let role = match &self.role {
            Some(role) => Some(Role::parse(role.as_str()).ok_or_else(|| damaged("role"))?),
            None => None,
        };
        Ok(Record::Watching(Box::new(Watching {
            session: self.session,
            job: self.job,
            role,
            from: self.from.map(|from| from.0),
            request_id: self.request_id.map(Into::into),
            announced: self.announced.map(|id| envelope(&id)).transpose()?,
        })))
    }
}
