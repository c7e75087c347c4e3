//! Jobs by a part of their id.

use nuncio_tokio::arcp::{Client, ClientError, JobId, JobRow, ListQuery, RequestFailure};

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
/// What ids begin with, in upper case.
const PREFIX: &str = "JOB_";
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
    named(text, rows.iter().map(|row| &row.job_id))
}

/// Returns the one of these ids that a text means: a whole id, or the beginning or the end of one.
///
/// Errors: several of them have it, or all would. If none has, the text is returned.
pub(super) fn named<'a>(text: &str, ids: impl Iterator<Item = &'a JobId>) -> Result<String, Error> {
    let part = text.to_ascii_uppercase();
    if PREFIX.starts_with(&part) {
        return Err(Error::Usage(format!("{text:?} matches every job; write more of the id")));
    }
    let is_it = |id: &&JobId| {
        let id = id.as_str().to_ascii_uppercase();
        let bare = id.strip_prefix(PREFIX).unwrap_or(&id);
        id.starts_with(&part) || bare.starts_with(&part) || part.len() >= MIN_END && bare.ends_with(&part)
    };
    let found: Vec<&JobId> = ids.filter(is_it).collect();
    match &*found {
        [] => Ok(text.to_owned()),
        [one] => Ok(one.to_string()),
        many if many.iter().any(|id| id.as_str() == text) => Ok(text.to_owned()),
        many => {
            let names: Vec<&str> = many.iter().rev().take(NAMED).map(|id| id.as_str()).collect();
            let more = if many.len() > NAMED { ", and others" } else { "" };
            Err(Error::Usage(format!(
                "{text:?} matches {} jobs: {}{more}; write more of the id",
                many.len(),
                names.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{JobId, named};

    fn find(text: &str) -> Result<String, String> {
        let ids = ["job_01AAAA1111", "job_01AAAB2222", "job_01AAAB3333"].map(JobId::from);
        named(text, ids.iter()).map_err(|error| error.to_string())
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
            let refused = named(text, [JobId::from("job_01AAAA1111")].iter()).expect_err("it means no job");
            assert_eq!(refused.to_string(), format!("{text:?} matches every job; write more of the id"));
        }
    }

    #[test]
    fn a_part_that_several_jobs_have_is_refused() {
        let refused = find("01AAAB").expect_err("there are two");
        assert_eq!(refused, r#""01AAAB" matches 2 jobs: job_01AAAB3333, job_01AAAB2222; write more of the id"#);
    }
}
