//! Events and terminals as they stand in a journal.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::values::{amount, bytes, damaged, dialect, envelope, features, kind, time, trace};
use crate::arcp::runtime::record::error::RecordError;
use crate::arcp::runtime::record::{
    Begun, First, JobEnded, JobEventRecord, QuestionFact, Record, SessionEventRecord, Target,
};
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::arcp::wire::job::FinalStatus;
use crate::json::Text;

#[derive(Deserialize)]
pub(super) struct RawTarget<'a> {
    session: SessionUlid,
    seq: Int,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    announced: Option<Text<'a>>,
    request_id: Option<String>,
    #[serde(borrow)]
    dialect: Option<Text<'a>>,
    #[serde(default)]
    python: bool,
}

impl RawTarget<'_> {
    fn target(self) -> Result<Target, RecordError> {
        let request_id = self.request_id.map(Into::into);
        let first = match &self.announced {
            Some(id) => Some(First { id: envelope(id)?, request_id }),
            None => None,
        };
        let dialect = dialect(self.dialect.as_ref(), self.python);
        Ok(Target { session: self.session, seq: self.seq.0, id: envelope(&self.id)?, first, dialect })
    }
}

fn targets(to: Vec<RawTarget<'_>>) -> Result<Vec<Target>, RecordError> {
    to.into_iter().map(RawTarget::target).collect()
}

#[derive(Deserialize)]
pub(super) struct RawEvent<'a> {
    job: JobUlid,
    #[serde(borrow)]
    trace: Text<'a>,
    position: Int,
    seq: Int,
    #[serde(borrow, default)]
    needs: Vec<Text<'a>>,
    unit: Option<String>,
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
    since: Option<u64>,
    restarts: Option<u32>,
    asked: Option<String>,
    until: Option<u64>,
    #[serde(default)]
    settled: bool,
    #[serde(borrow)]
    to: Vec<RawTarget<'a>>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

impl RawEvent<'_> {
    pub(super) fn record(self) -> Result<Record, RecordError> {
        let cost = match (self.unit, self.cost) {
            (Some(unit), Some(cost)) => Some((unit.into(), amount(cost.get())?)),
            (Some(_), None) | (None, Some(_)) => return Err(damaged("cost")),
            (None, None) => None,
        };
        let begun = match (self.since, self.restarts) {
            (Some(since), Some(restarts)) => Some(Begun { since: time(since)?, restarts }),
            (Some(_), None) | (None, Some(_)) => return Err(damaged("since")),
            (None, None) => None,
        };
        let question = match (self.asked, self.settled) {
            (Some(name), _) => {
                Some(QuestionFact::Asked { name: name.into(), until: self.until.map(time).transpose()? })
            }
            (None, true) => Some(QuestionFact::Settled),
            (None, false) => None,
        };
        Ok(Record::JobEvent(Box::new(JobEventRecord {
            job: self.job,
            trace_id: trace(&self.trace)?,
            position: self.position.0,
            seq: self.seq.0,
            needs: features(&self.needs),
            payload: bytes(self.payload),
            cost,
            begun,
            question,
            to: targets(self.to)?,
        })))
    }
}

#[derive(Deserialize)]
pub(super) struct RawShown<'a> {
    job: JobUlid,
    #[serde(borrow)]
    trace: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    position: Option<Int>,
    #[serde(borrow)]
    to: RawTarget<'a>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

impl RawShown<'_> {
    pub(super) fn record(self) -> Result<Record, RecordError> {
        Ok(Record::SessionEvent(Box::new(SessionEventRecord {
            job: self.job,
            trace_id: trace(&self.trace)?,
            kind: kind(&self.kind)?,
            payload: bytes(self.payload),
            position: self.position.map(|position| position.0),
            to: self.to.target()?,
        })))
    }
}

#[derive(Deserialize)]
pub(super) struct RawEnded<'a> {
    job: JobUlid,
    #[serde(borrow)]
    trace: Text<'a>,
    at: u64,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    seq: Int,
    #[serde(borrow)]
    to: Vec<RawTarget<'a>>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

impl RawEnded<'_> {
    pub(super) fn record(self) -> Result<Record, RecordError> {
        Ok(Record::JobEnded(Box::new(JobEnded {
            job: self.job,
            trace_id: trace(&self.trace)?,
            at: time(self.at)?,
            status: FinalStatus::parse(self.status.as_str()).ok_or_else(|| damaged("status"))?,
            kind: kind(&self.kind)?,
            payload: bytes(self.payload),
            seq: self.seq.0,
            to: targets(self.to)?,
        })))
    }
}
