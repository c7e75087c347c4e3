//! Jobs and sessions by a part of their id.

use nuncio_tokio::arcp::{Client, ClientError, JobRow, ListQuery, RequestFailure};

use super::listing::{Cursors, Listed};
use crate::error::Error;

/// The longest page that a runtime returns.
pub(super) const MAX_PAGE: u32 = 1_000;
/// The number of pages that are read. A runtime that keeps its promises needs fewer.
pub(super) const MAX_PAGES: usize = 1_000;
/// The list of jobs.
pub(super) const LISTED: Listed = Listed {
    what: "jobs",
    most: MAX_PAGES,
    narrower: "choose fewer with --agent, --status, --since or --until",
    instead: "tell its operator, or read single pages with --oldest-first --limit",
};
/// Ids that a message about an ambiguous one names.
const NAMED: usize = 5;
/// The shortest end of an id that stands for it.
const MIN_END: usize = 4;
/// What an id stands for.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    name: &'static str,
    /// What ids begin with, in upper case.
    prefix: &'static str,
}

pub(super) const JOB: Kind = Kind { name: "job", prefix: "JOB_" };
pub(super) const SESSION: Kind = Kind { name: "session", prefix: "SESS_" };
/// The least characters of an id that is not a part of one.
const MIN_WHOLE: usize = 30;

/// Returns all jobs that the query matches, in the order of the runtime.
pub(super) async fn all(client: &Client, query: &ListQuery<'_>) -> Result<Vec<JobRow>, Error> {
    let mut jobs = Vec::new();
    let mut cursors = Cursors::new(&LISTED);
    let mut query = ListQuery { limit: Some(MAX_PAGE), ..query.clone() };
    loop {
        let page = client.list(&query).await?;
        jobs.extend(page.jobs);
        let Some(cursor) = page.next_cursor else { return Ok(jobs) };
        cursors.follow(&cursor)?;
        query.cursor = Some(cursor.into());
    }
}

/// Returns the id of the job that a text means: a whole id, or the beginning or the end of one.
///
/// Errors: several jobs have such an id. If none has, the text is returned, and the runtime says that there is no such job.
pub(super) async fn job(client: &Client, text: &str) -> Result<String, Error> {
    if text.len() >= MIN_WHOLE {
        return Ok(text.to_owned());
    }
    let rows = match client.list(&ListQuery { limit: Some(1), ..ListQuery::default() }).await {
        Ok(_) => all(client, &ListQuery::default()).await?,
        // Such a runtime takes whole ids only.
        Err(ClientError::Failed(RequestFailure::NotNegotiated(_))) => return Ok(text.to_owned()),
        Err(error) => return Err(error.into()),
    };
    named(JOB, text, rows.iter().map(|row| row.job_id.as_str()))
}

/// Returns the one of these ids that a text means: a whole id, or the beginning or the end of one.
///
/// Errors: several of them have it, or all would. If none has, the text is returned.
pub(super) fn named<'a>(kind: Kind, text: &str, ids: impl Iterator<Item = &'a str>) -> Result<String, Error> {
    let part = text.to_ascii_uppercase();
    if kind.prefix.starts_with(&part) {
        return Err(Error::Usage(format!("{text:?} matches every {}; write more of the id", kind.name)));
    }
    let is_it = |id: &&str| {
        let id = id.to_ascii_uppercase();
        let bare = id.strip_prefix(kind.prefix).unwrap_or(&id);
        id.starts_with(&part) || bare.starts_with(&part) || part.len() >= MIN_END && bare.ends_with(&part)
    };
    let found: Vec<&str> = ids.filter(is_it).collect();
    match &*found {
        [] => Ok(text.to_owned()),
        [one] => Ok((*one).to_owned()),
        many if many.contains(&text) => Ok(text.to_owned()),
        many => {
            let names: Vec<&str> = many.iter().rev().take(NAMED).copied().collect();
            let more = if many.len() > NAMED { ", and others" } else { "" };
            Err(Error::Usage(format!(
                "{text:?} matches {} {}s: {}{more}; write more of the id",
                many.len(),
                kind.name,
                names.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{JOB, SESSION, named};

    fn find(text: &str) -> Result<String, String> {
        let ids = ["job_01AAAA1111", "job_01AAAB2222", "job_01AAAB3333"];
        named(JOB, text, ids.into_iter()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_part_that_one_job_has_stands_for_it() {
        for text in ["job_01AAAA", "01aaaa", "1111", "job_01AAAA1111"] {
            assert_eq!(find(text).as_deref(), Ok("job_01AAAA1111"), "{text}");
        }
        assert_eq!(find("unknown").as_deref(), Ok("unknown"), "the runtime says that there is none");
        assert_eq!(find("333").as_deref(), Ok("333"), "an end has four characters or more");
    }

    #[test]
    fn a_part_that_every_job_has_is_refused_even_if_there_is_one_job() {
        for text in ["", "job", "job_"] {
            let refused = named(JOB, text, ["job_01AAAA1111"].into_iter()).expect_err("it means no job");
            assert_eq!(refused.to_string(), format!("{text:?} matches every job; write more of the id"));
        }
        for text in ["", "s", "sess_"] {
            let refused = named(SESSION, text, ["sess_01AAAA1111"].into_iter()).expect_err("it means no session");
            assert_eq!(refused.to_string(), format!("{text:?} matches every session; write more of the id"));
        }
    }

    #[test]
    fn a_part_that_several_jobs_have_is_refused() {
        let refused = find("01AAAB").expect_err("there are two");
        assert_eq!(refused, r#""01AAAB" matches 2 jobs: job_01AAAB3333, job_01AAAB2222; write more of the id"#);
    }
}
