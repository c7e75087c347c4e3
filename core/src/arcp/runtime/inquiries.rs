//! Requests that the other runtimes of the host are asked too, because the jobs that they are about may be there (ours).
//!
//! ```text
//!  a job that is not here:  the first answer counts; JOB_NOT_FOUND counts once all have given it
//!  a page of rows:          the pages of all runtimes, merged, up to the place that all of them have reached
//! ```

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::arcp::runtime::asked::Asked;
use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::{ConnId, SessionKey};
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::arcp::wire::question::{question_id, question_number};
use crate::json::Text;
use crate::time::Time;

/// The place of a row among those of all runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A job.
    Job(JobUlid),
    /// A question, by its job and its number.
    Question(JobUlid, u64),
    /// A session.
    Session(SessionUlid),
}

/// The rows of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// The jobs of `session.jobs`.
    Jobs,
    /// The questions of `x-vendor.nuncio.questions`.
    Questions,
    /// The sessions of `x-vendor.nuncio.sessions`.
    Sessions,
}

/// A merged page: its rows, separated by commas, and the place after which the next page begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) rows: String,
    pub(super) next: Option<Place>,
}

/// What the answers to an inquiry become.
#[derive(Clone, Debug)]
pub(super) enum Gathering {
    /// The first answer.
    First,
    /// Pages of at most this many rows and bytes.
    Pages { listed: Listed, limit: u64, room: usize, rows: BTreeMap<Place, Box<str>>, reached: Option<Place> },
}

impl Place {
    /// Reads a cursor.
    fn parse(listed: Listed, cursor: &str) -> Option<Place> {
        match listed {
            Listed::Jobs => JobUlid::parse(cursor).map(Place::Job),
            Listed::Questions => {
                let (job, question) = cursor.split_once('.')?;
                Some(Place::Question(JobUlid::parse(job)?, question_number(question)?))
            }
            Listed::Sessions => SessionUlid::parse(cursor).map(Place::Session),
        }
    }

    /// Reads the place of a row.
    fn of(listed: Listed, row: &str) -> Option<Place> {
        if listed == Listed::Sessions {
            let RawSession { session_id } = serde_json::from_str(row).ok()?;
            return Some(Place::Session(session_id));
        }
        let RawRow { job_id, question } = serde_json::from_str(row).ok()?;
        match question {
            Some(question) => Some(Place::Question(job_id, question_number(question.question_id.as_str())?)),
            None => Some(Place::Job(job_id)),
        }
    }
}

/// As a cursor.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Job(job) => write!(f, "{job}"),
            Place::Question(job, number) => write!(f, "{job}.{}", question_id(*number)),
            Place::Session(session) => write!(f, "{session}"),
        }
    }
}

impl Gathering {
    pub(super) fn pages(listed: Listed, limit: u64, room: usize) -> Gathering {
        Gathering::Pages { listed, limit, room, rows: BTreeMap::new(), reached: None }
    }
}

/// A request whose answer depends on other runtimes.
#[derive(Clone, Debug)]
pub(super) struct Inquiry {
    pub(super) conn: ConnId,
    pub(super) request_id: Box<str>,
    pub(super) asked: Asked,
    gathering: Gathering,
    /// The number of answers that are missing.
    missing: usize,
    /// The runtimes that have answered; `None` is this one.
    answered: BTreeSet<Option<u32>>,
    deadline: Deadline,
}

/// What an answer makes of an inquiry.
#[derive(Debug)]
pub(super) enum Progress {
    /// More answers are needed, or it was none to this inquiry.
    Missing,
    /// The answer counts, and is the only one.
    Counts(Box<Inquiry>),
    /// The request is refused.
    Refused(Box<Inquiry>, Fault),
    /// All pages are there.
    Merged(Box<Inquiry>, Listed, Page),
}

impl Inquiry {
    /// An inquiry that `missing` runtimes have to answer.
    pub(super) fn new(
        conn: ConnId,
        request_id: &str,
        asked: Asked,
        gathering: Gathering,
        missing: usize,
    ) -> Box<Inquiry> {
        Box::new(Inquiry {
            conn,
            request_id: request_id.into(),
            asked,
            gathering,
            missing,
            answered: BTreeSet::new(),
            deadline: Deadline::new(Timer::Inquiry),
        })
    }

    fn held(&self) -> usize {
        let rows = match &self.gathering {
            Gathering::First => 0,
            Gathering::Pages { rows, .. } => rows.values().map(|row| row.len() + 64).sum(),
        };
        self.request_id.len() + rows + 128
    }
}

/// The open inquiries, at most one of each session.
#[derive(Clone, Debug, Default)]
pub(super) struct Inquiries(BTreeMap<SessionKey, Box<Inquiry>>);

impl Inquiries {
    /// Gives the open inquiry of a session to the connection on which the client sends the same request again. Returns whether
    /// there is one.
    pub(super) fn move_to(&mut self, key: SessionKey, conn: ConnId, request_id: &str, asked: &Asked) -> bool {
        let same = |inquiry: &&mut Box<Inquiry>| *inquiry.request_id == *request_id && inquiry.asked == *asked;
        let inquiry = self.0.get_mut(&key).filter(same);
        inquiry.is_some_and(|inquiry| {
            inquiry.conn = conn;
            true
        })
    }

    /// Adds the inquiry of a session, with a deadline for its answers. One that is still open came on an earlier connection,
    /// and is replaced.
    pub(super) fn open(&mut self, key: SessionKey, mut inquiry: Box<Inquiry>, until: Time, timers: &mut Timers) {
        self.close(key, timers);
        inquiry.deadline.set(until, key, timers);
        self.0.insert(key, inquiry);
    }

    /// Removes the inquiry of a session.
    pub(super) fn close(&mut self, key: SessionKey, timers: &mut Timers) -> Option<Box<Inquiry>> {
        let mut inquiry = self.0.remove(&key)?;
        inquiry.deadline.clear(key, timers);
        Some(inquiry)
    }

    /// Whether the inquiry of a session merges pages, by the id of its request.
    pub(super) fn merges(&self, key: SessionKey, request_id: &str) -> bool {
        self.0.get(&key).is_some_and(|inquiry| {
            *inquiry.request_id == *request_id && matches!(inquiry.gathering, Gathering::Pages { .. })
        })
    }

    /// Whether the inquiry of a session is open, by the id of its request.
    pub(super) fn is_open(&self, key: SessionKey, request_id: &str) -> bool {
        self.0.get(&key).is_some_and(|inquiry| *inquiry.request_id == *request_id)
    }

    /// Takes an answer of a runtime.
    pub(super) fn answered(
        &mut self,
        key: SessionKey,
        from: Option<u32>,
        request_id: &str,
        answer: Result<&str, Fault>,
        timers: &mut Timers,
    ) -> Progress {
        let Some(inquiry) = self.0.get_mut(&key).filter(|inquiry| *inquiry.request_id == *request_id) else {
            return Progress::Missing;
        };
        if !inquiry.answered.insert(from) {
            return Progress::Missing;
        }
        inquiry.missing = inquiry.missing.saturating_sub(1);
        let outcome = match (answer, &mut inquiry.gathering) {
            (Err(fault), Gathering::First) if fault.code == ErrorCode::JobNotFound && inquiry.missing > 0 => {
                return Progress::Missing;
            }
            (Err(fault), _) => Some(fault),
            (Ok(_), Gathering::First) => None,
            (Ok(payload), Gathering::Pages { listed, rows, reached, .. }) => {
                match gather(*listed, payload, rows, reached) {
                    Some(()) if inquiry.missing > 0 => return Progress::Missing,
                    Some(()) => None,
                    None => Some(unreadable()),
                }
            }
        };
        let Some(mut inquiry) = self.close(key, timers) else { return Progress::Missing };
        if let Some(fault) = outcome {
            return Progress::Refused(inquiry, fault);
        }
        match core::mem::replace(&mut inquiry.gathering, Gathering::First) {
            Gathering::First => Progress::Counts(inquiry),
            Gathering::Pages { listed, limit, room, rows, reached } => {
                Progress::Merged(inquiry, listed, merge(limit, room, &rows, reached))
            }
        }
    }

    pub(super) fn held(&self) -> usize {
        self.0.values().map(|inquiry| inquiry.held()).sum()
    }
}

/// The fault of a request that the other runtimes did not answer.
pub(super) fn unreadable() -> Fault {
    Fault::new(ErrorCode::InternalError, "another part of the runtime did not answer in time; try again later")
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow, default)]
    jobs: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    questions: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    sessions: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    next_cursor: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct RawRow<'a> {
    job_id: JobUlid,
    #[serde(borrow, default)]
    question: Option<RawQuestion<'a>>,
}

#[derive(Deserialize)]
struct RawSession {
    session_id: SessionUlid,
}

#[derive(Deserialize)]
struct RawQuestion<'a> {
    #[serde(borrow)]
    question_id: Text<'a>,
}

/// Adds the rows of a page, and notes how far it reaches if it is not the last one. `None` if it cannot be read.
fn gather(
    listed: Listed,
    payload: &str,
    rows: &mut BTreeMap<Place, Box<str>>,
    reached: &mut Option<Place>,
) -> Option<()> {
    let page: RawPage<'_> = serde_json::from_str(payload).ok()?;
    let arrived = match listed {
        Listed::Jobs => page.jobs,
        Listed::Questions => page.questions,
        Listed::Sessions => page.sessions,
    };
    for row in arrived {
        rows.insert(Place::of(listed, row.get())?, row.get().into());
    }
    if let Some(cursor) = page.next_cursor {
        let place = Place::parse(listed, cursor.as_str())?;
        *reached = Some(reached.map_or(place, |reached| reached.min(place)));
    }
    Some(())
}

/// Makes one page of the rows of all. Rows beyond the place that some runtime has reached are left to the next page, because
/// there may be others before them.
fn merge(limit: u64, room: usize, rows: &BTreeMap<Place, Box<str>>, reached: Option<Place>) -> Page {
    let (mut page, mut count, mut last, mut next) = (String::new(), 0, None, reached);
    for (place, row) in rows {
        if reached.is_some_and(|reached| *place > reached) {
            break;
        }
        if count == limit || (count > 0 && page.len() + row.len() > room) {
            next = last;
            break;
        }
        if count > 0 {
            page.push(',');
        }
        page.push_str(row);
        count += 1;
        last = Some(*place);
    }
    Page { rows: page, next }
}
