//! §6.6 and §6.7: listing jobs, and closing a session.

use serde_json::{Value, json};

use crate::commands::conformance::finding::{Judged, broken, expect, not_offered};
use crate::commands::conformance::frame::{dotted, kind, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::{Job, Session};
use crate::commands::conformance::trial::Trial;

rules! {
    Described "§6.6" list: "A list repeats the id of its request, and has jobs and next_cursor.";
    Described "§6.6" rows: "A row has the job's id, agent, status, lease, creation and last number.";
    Described "§6.6" filter_status: "A filter by status selects the jobs with one of these statuses.";
    Described "§6.6" filter_agent: "A filter by agent selects the jobs of this agent.";
    Described "§6.6" filter_time: "A filter by created_after selects the jobs that were created later.";
    Described "§6.6" cursor: "Pages that follow each other by next_cursor show every job once.";
    Described "§6.6" read_only: "A list subscribes to nothing and uses no event_seq.";
    Must "§6.6" no_leak: "A job of another principal is not listed.";
    Must "§6.6" no_leak_by_errors: "A job of another principal and one that does not exist cannot be told apart by a cancel.";
    Described "§6.7" closed: "session.close is answered with session.closed.";
    Described "§6.7" jobs_go_on: "A close ends no job, and the session can be resumed.";
}

/// The statuses of a job (§7.3).
const STATUSES: [&str; 6] = ["pending", "running", "success", "error", "cancelled", "timed_out"];

/// Starts a job that runs until the check is over.
async fn long(session: &mut Session<'_>, trial: &Trial<'_>) -> Judged<Job> {
    let job = session.submit(&trial.agents().slow, &json!({"ticks": 400, "tick_ms": 25})).await?;
    // It has started once it is listed as running; its events say so earlier.
    let id = job.id.clone();
    session
        .until(0, "an event of the job", |frame| frame["job_id"] == id.as_str() && kind(frame) == "job.event")
        .await?;
    Ok(job)
}

async fn stop(session: &mut Session<'_>, job: &Job) {
    session.cancel(&job.id).await;
}

async fn ids(session: &mut Session<'_>, payload: &Value) -> Judged<Vec<String>> {
    let page = session.list(payload).await?;
    let rows = page["payload"]["jobs"].as_array().cloned().unwrap_or_default();
    Ok(rows.iter().map(|row| text(row, "/job_id").to_owned()).collect())
}

async fn list(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("list_jobs")?;
    session.fence().await?;
    let request = session.request("session.list_jobs", &json!({})).await;
    let page = session.until(0, "session.jobs", |frame| kind(frame) == "session.jobs").await?;
    expect(text(&page, "/payload/request_id") == request, || "request_id is not the id of the request".to_owned())?;
    expect(page["payload"]["jobs"].is_array(), || "jobs is no list".to_owned())?;
    let cursor = &page["payload"]["next_cursor"];
    expect(cursor.is_null() || cursor.is_string(), || "next_cursor is neither null nor a text".to_owned())
}

async fn rows(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("list_jobs")?;
    let job = long(&mut session, trial).await?;
    let row = session.row(&job.id).await?;
    stop(&mut session, &job).await;
    let Some(row) = row else { return broken("a running job is not listed") };
    row_fault(&row).map_or(Ok(()), broken)
}

fn row_fault(row: &Value) -> Option<String> {
    let missing =
        ["/job_id", "/agent", "/status", "/created_at"].into_iter().find(|member| text(row, member).is_empty());
    match () {
        () if missing.is_some() => missing.map(|member| format!("{} is missing", dotted(member))),
        () if !STATUSES.contains(&text(row, "/status")) => Some(format!("its status is {}", row["status"])),
        () if !row["lease"].is_object() => Some("lease is no object".to_owned()),
        () if row["last_event_seq"].as_u64().is_none() => Some("last_event_seq is no number".to_owned()),
        () => None,
    }
}

async fn filter_status(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("list_jobs")?;
    let running = long(&mut session, trial).await?;
    let (ended, _) = session.run(&trial.agents().echo, &json!(1)).await?;
    let listed = ids(&mut session, &json!({"filter": {"status": ["running", "pending"]}, "limit": 1000})).await?;
    stop(&mut session, &running).await;
    expect(listed.contains(&running.id), || "the running job is missing".to_owned())?;
    expect(!listed.contains(&ended.id), || "a job that has ended is among the running ones".to_owned())
}

async fn filter_agent(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("list_jobs")?;
    let running = long(&mut session, trial).await?;
    let (other, _) = session.run(&trial.agents().echo, &json!(1)).await?;
    let filter = json!({"filter": {"agent": trial.agents().slow, "status": ["running"]}, "limit": 1000});
    let listed = ids(&mut session, &filter).await?;
    let filter = json!({"filter": {"agent": trial.agents().slow, "status": ["success"]}, "limit": 1000});
    let ended = ids(&mut session, &filter).await?;
    stop(&mut session, &running).await;
    expect(listed.contains(&running.id), || "a job of the agent is missing".to_owned())?;
    expect(!ended.contains(&other.id), || "a job of another agent is listed".to_owned())
}

async fn filter_time(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("list_jobs")?;
    let job = long(&mut session, trial).await?;
    let later = ids(&mut session, &json!({"filter": {"created_after": "2099-01-01T00:00:00Z"}})).await?;
    let filter = json!({"filter": {"created_after": "2020-01-01T00:00:00Z", "status": ["running"]}, "limit": 1000});
    let earlier = ids(&mut session, &filter).await?;
    stop(&mut session, &job).await;
    expect(later.is_empty(), || "a job is listed that was created before".to_owned())?;
    expect(earlier.contains(&job.id), || "a job that was created later is missing".to_owned())
}

async fn cursor(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("list_jobs")?;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(long(&mut session, trial).await?);
    }
    let mut listed = Vec::new();
    let mut cursor = Value::Null;
    let mut pages = 0;
    loop {
        let filter =
            json!({"filter": {"status": ["running"], "agent": trial.agents().slow}, "limit": 1, "cursor": cursor});
        let page = session.list(&filter).await?;
        let rows = page["payload"]["jobs"].as_array().cloned().unwrap_or_default();
        expect(rows.len() <= 1, || format!("a page of {} jobs comes for a limit of 1", rows.len()))?;
        listed.extend(rows.iter().map(|row| text(row, "/job_id").to_owned()));
        cursor = page["payload"]["next_cursor"].clone();
        pages += 1;
        if cursor.is_null() || pages > 200 {
            break;
        }
    }
    for job in &jobs {
        stop(&mut session, job).await;
    }
    expect(cursor.is_null(), || "the pages do not end".to_owned())?;
    for job in &jobs {
        let times = listed.iter().filter(|id| **id == job.id).count();
        expect(times == 1, || format!("a job is listed {times} times"))?;
    }
    Ok(())
}

async fn read_only(trial: &Trial<'_>) -> Judged {
    let mut owner = trial.session().await?;
    let mut session = trial.session().await?;
    session.needs("list_jobs")?;
    let job = long(&mut owner, trial).await?;
    session.list(&json!({})).await?;
    session.fence().await?;
    stop(&mut owner, &job).await;
    let followed = session.seen.iter().any(|frame| frame["job_id"] == job.id.as_str());
    expect(!followed, || "events of a listed job are sent".to_owned())?;
    session.is_gapless_from(1)
}

async fn no_leak(trial: &Trial<'_>) -> Judged {
    let mut other = trial.other().await?;
    let mut session = trial.session().await?;
    let (job, _) = session.run(&trial.agents().echo, &json!(1)).await?;
    let row = other.row(&job.id).await?;
    expect(row.is_none(), || "another principal's list shows the job".to_owned())
}

async fn no_leak_by_errors(trial: &Trial<'_>) -> Judged {
    let mut other = trial.other().await?;
    let mut session = trial.session().await?;
    let job = long(&mut session, trial).await?;
    let unknown = format!("job_{}", "0".repeat(26));
    let mut codes = Vec::new();
    for id in [job.id.as_str(), unknown.as_str()] {
        codes.push(other.vain_cancel(id).await?);
    }
    stop(&mut session, &job).await;
    expect(codes.first() == codes.last(), || format!("the answers differ: {}", codes.join(" and ")))
}

async fn closed(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.fence().await?;
    session.request("session.close", &json!({"reason": "done"})).await;
    session.until(0, "session.closed", |frame| kind(frame) == "session.closed").await.map(drop)
}

async fn jobs_go_on(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    if session.welcome["payload"]["resume_window_sec"].as_u64().is_none_or(|window| window < 2) {
        return not_offered("the resume window is shorter than 2 s");
    }
    let job = session.submit(&trial.agents().slow, &json!({"ticks": 20, "tick_ms": 25})).await?;
    session.request("session.close", &json!({"reason": "done"})).await;
    session.ending("after session.close").await?;
    let (point, _) = session.cut();
    let mut again = trial.resume(&point).await?;
    let end = again.terminal(&job.id).await?;
    expect(kind(&end) == "job.result", || format!("the job ends with {}", text(&end, "/payload/code")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::row_fault;

    #[test]
    fn a_fault_of_a_row_is_found() {
        let good = json!({
            "job_id": "j", "agent": "a", "status": "running", "created_at": "2026-01-01T00:00:00Z", "lease": {},
            "last_event_seq": 0,
        });
        assert_eq!(row_fault(&good), None);
        for member in ["job_id", "agent", "status", "created_at", "lease", "last_event_seq"] {
            let mut bad = good.clone();
            bad[member] = json!(null);
            assert!(row_fault(&bad).is_some(), "{bad}");
        }
        let mut bad = good;
        bad["status"] = "done".into();
        assert!(row_fault(&bad).is_some(), "{bad}");
    }
}
