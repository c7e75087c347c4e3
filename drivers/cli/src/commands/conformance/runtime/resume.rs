//! §6.3: resuming a session.

use std::time::Duration;

use serde_json::json;

use crate::commands::conformance::finding::{Judged, broken, expect, not_offered};
use crate::commands::conformance::frame::{gap, is_terminal, job_of, kind, named, seq, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::{Point, Session};
use crate::commands::conformance::trial::Trial;

rules! {
    Described "§6.3" session_resume: "A session.resume as the first frame, with the newest token and last_event_seq, resumes the session.";
    Described "§6.3" token_rotates: "Every welcome brings a new resume_token.";
    Described "§6.3" replay: "A resume replays the events after last_event_seq, and the later events follow.";
    Must "§6.3" jobs_outlive_connections: "A lost connection ends no job.";
    Described "§6.3" caught_up: "A client that has received everything resumes as well.";
    Described "§6.3" wrong_token: "A wrong resume token is refused, and does not harm the session.";
    Described "§6.3" unknown_session: "A resume of a session that does not exist is refused.";
    Described "§6.3" other_principal: "A session is not resumed by another principal.";
    Described "§6.3" replaced_token: "A resume token that a newer welcome has replaced is refused.";
    Described "§6.3" no_silent_gap: "A resume from an event that is no longer kept is RESUME_WINDOW_EXPIRED; a resume never leaves out events.";
    Described "§6.3" window_expired: "A resume after the resume window is RESUME_WINDOW_EXPIRED.";
    Described "§6.3" takeover: "A client can resume before the runtime has noticed that the old connection is lost, and misses no event.";
}

/// Starts a job that is still running when its connection is cut.
async fn running<'a>(trial: &Trial<'a>, ticks: u32) -> Judged<(Session<'a>, String)> {
    let mut session = trial.session().await?;
    session.needs("progress")?;
    let job = session.submit(&trial.agents().slow, &json!({"ticks": ticks, "tick_ms": 20})).await?;
    session.event(&job.id, "progress", |body| body["current"].as_u64().is_some_and(|tick| tick >= 2)).await?;
    Ok((session, job.id))
}

async fn session_resume(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.fence().await?;
    let (point, _) = session.cut();
    let mut wire = trial.open().await?;
    let Point { session_id, resume_token, last_event_seq } = &point;
    let auth = trial.hello(&[])["auth"].clone();
    wire.request(
        "session.resume",
        &json!({"session_id": session_id, "resume_token": resume_token, "last_event_seq": last_event_seq, "auth": auth}),
    )
    .await;
    let welcome = wire.next("session.welcome").await?;
    expect(kind(&welcome) == "session.welcome", || format!("it is answered with {}", named(&welcome)))?;
    expect(text(&welcome, "/session_id") == session_id, || "the welcome is that of another session".to_owned())
}

async fn token_rotates(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.fence().await?;
    let (first, _) = session.cut();
    let second = trial.resume(&first).await?.point();
    expect(first.resume_token != second.resume_token, || "the welcome to the resume repeats the token".to_owned())?;
    let another = trial.session().await?.point();
    expect(first.resume_token != another.resume_token, || "two sessions have the same token".to_owned())
}

async fn replay(trial: &Trial<'_>) -> Judged {
    let (session, job) = running(trial, 30).await?;
    let (point, before) = session.cut();
    let mut again = trial.resume(&point).await?;
    expect(again.session_id == point.session_id, || "the welcome is that of another session".to_owned())?;
    again.terminal(&job).await?;
    match gap(before.iter().chain(&again.seen), 1) {
        None => Ok(()),
        Some((due, came)) => broken(format!("over both connections event_seq {came} comes where {due} is due")),
    }
}

async fn jobs_outlive_connections(trial: &Trial<'_>) -> Judged {
    let (session, job) = running(trial, 15).await?;
    let (point, _) = session.cut();
    let mut again = trial.resume(&point).await?;
    let end = again.terminal(&job).await?;
    expect(kind(&end) == "job.result", || format!("it ends with {}", text(&end, "/payload/code")))
}

async fn caught_up(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.fence().await?;
    let (point, _) = session.cut();
    let mut again = trial.resume(&point).await?;
    expect(again.session_id == point.session_id, || "the welcome is that of another session".to_owned())?;
    again.fence().await?;
    again.is_gapless_from(point.last_event_seq + 1)
}

async fn wrong_token(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.fence().await?;
    let (right, _) = session.cut();
    let wrong = Point { resume_token: format!("rt_{}", "0".repeat(64)), ..right.clone() };
    trial.refused_resume(&trial.resuming(&wrong), &right, "with a wrong token").await?;
    trial.resume(&right).await?.fence().await
}

async fn unknown_session(trial: &Trial<'_>) -> Judged {
    let unknown = Point {
        session_id: format!("sess_{}", "0".repeat(26)),
        resume_token: format!("rt_{}", "0".repeat(64)),
        last_event_seq: 0,
    };
    trial.refused_resume(&trial.resuming(&unknown), &unknown, "that does not exist").await.map(drop)
}

async fn other_principal(trial: &Trial<'_>) -> Judged {
    trial.other().await?;
    let Some(token) = &trial.target.other_token else { return Ok(()) };
    let mut session = trial.session().await?;
    session.fence().await?;
    let (point, _) = session.cut();
    let mut hello = trial.resuming(&point);
    hello["auth"]["token"] = token.expose().into();
    trial.refused_resume(&hello, &point, "by another principal").await.map(drop)
}

async fn replaced_token(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.fence().await?;
    let (first, _) = session.cut();
    let mut second = trial.resume(&first).await?;
    second.fence().await?;
    let (newest, _) = second.cut();
    let old = Point { resume_token: first.resume_token, ..newest.clone() };
    trial.refused_resume(&trial.resuming(&old), &newest, "with a token that was replaced").await?;
    trial.resume(&newest).await?.fence().await
}

async fn no_silent_gap(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("ack")?;
    session.run(&trial.agents().flood, &json!({"n": 50})).await?;
    session.request("session.ack", &json!({"last_processed_seq": 30})).await;
    session.fence().await?;
    let (point, _) = session.cut();
    let early = Point { last_event_seq: 10, ..point.clone() };
    let mut wire = trial.open().await?;
    wire.request("session.hello", &trial.resuming(&early)).await;
    let welcome = wire.next("the answer to the resume").await?;
    if kind(&welcome) != "session.welcome" {
        let code = text(&welcome, "/payload/code");
        return expect(code == "RESUME_WINDOW_EXPIRED", || format!("it is refused with {code}"));
    }
    let last = point.last_event_seq;
    wire.until(0, &format!("event {last}"), |frame| seq(frame).is_some_and(|number| number >= last)).await?;
    match gap(&wire.seen, 11) {
        None => Ok(()),
        Some((due, came)) => broken(format!("event_seq {came} comes where {due} is due")),
    }
}

async fn window_expired(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    let window = session.welcome["payload"]["resume_window_sec"].as_u64().unwrap_or(u64::MAX);
    let window = Duration::from_secs(window);
    if window > trial.patience() {
        return not_offered("the resume window is longer than --timeout");
    }
    session.fence().await?;
    let (point, _) = session.cut();
    tokio::time::sleep(window + Duration::from_secs(1)).await;
    let code = trial.refused_resume(&trial.resuming(&point), &point, "after its window").await?;
    expect(code == "RESUME_WINDOW_EXPIRED", || format!("it is refused with {code:?}"))
}

async fn takeover(trial: &Trial<'_>) -> Judged {
    let (mut session, job) = running(trial, 30).await?;
    let point = session.point();
    let mut again = trial.resume_at_once(&point).await?;
    expect(again.session_id == point.session_id, || "the welcome is that of another session".to_owned())?;
    again.terminal(&job).await?;
    session.ending("although the session was resumed elsewhere").await?;
    let first = session.seen.iter().filter(|frame| seq(frame).is_some_and(|number| number <= point.last_event_seq));
    let broken_at = gap(first.chain(&again.seen), 1);
    expect(broken_at.is_none(), || format!("the numbers have a gap: (due, came) is {broken_at:?}"))?;
    let ends = again.seen.iter().filter(|frame| is_terminal(frame) && job_of(frame) == job).count();
    expect(ends == 1, || format!("the job ends {ends} times"))
}
