//! §6.4 and §6.5: heartbeats, acknowledgements and back-pressure.

use std::time::Duration;

use serde_json::json;

use crate::commands::conformance::finding::{Judged, broken, expect, not_offered};
use crate::commands::conformance::frame::{code, kind, text};
use crate::commands::conformance::rule::rules;
use crate::commands::conformance::session::Point;
use crate::commands::conformance::trial::{FEATURES, Trial};
use crate::commands::conformance::wire::Arrival;

rules! {
    Must "§6.4" pings_are_answered: "A ping is answered with a pong that repeats its nonce, within one interval.";
    Described "§6.4" no_numbers: "Pings and pongs have no event_seq, and use none.";
    Should "§6.4" idle_peer: "The runtime sends something at least once in an interval.";
    Must "§6.4" loss_ends_no_job: "The loss of a peer ends none of its jobs, and the session can be resumed.";
    Described "§6.5" acks_are_silent: "An acknowledgement has no answer and uses no number.";
    Described "§6.5" acks_are_advisory: "An acknowledgement that goes back, or beyond what was sent, does no harm.";
    Must "§6.5" unacknowledged_events: "Events that were not acknowledged are kept for a resume.";
    Described "§6.5" slow_consumer: "A client that lags behind with its acknowledgements still receives every event, in order.";
}

/// Returns the interval of heartbeats, or `None` if it is longer than a check waits.
pub(super) async fn interval(trial: &Trial<'_>) -> Judged<Option<Duration>> {
    let session = trial.session_with(&["heartbeat"]).await?;
    session.needs("heartbeat")?;
    let seconds = session.welcome["payload"]["heartbeat_interval_sec"].as_f64().unwrap_or(0.0);
    let interval = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Ok((interval > Duration::ZERO && interval <= trial.patience() / 2).then_some(interval))
}

async fn pings_are_answered(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session_with(&FEATURES).await?;
    session.needs("heartbeat")?;
    for nonce in ["p_1", "p_2"] {
        let from = session.seen.len();
        session.request("session.ping", &json!({"nonce": nonce, "sent_at": "2026-01-01T00:00:00Z"})).await;
        let pong = session.until(from, "session.pong", |frame| kind(frame) == "session.pong").await?;
        expect(text(&pong, "/payload/ping_nonce") == nonce, || "ping_nonce is not the nonce of the ping".to_owned())?;
        expect(!text(&pong, "/payload/received_at").is_empty(), || "the pong has no received_at".to_owned())?;
    }
    Ok(())
}

async fn no_numbers(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session_with(&FEATURES).await?;
    session.needs("heartbeat")?;
    session.fence().await?;
    for nonce in ["p_1", "p_2"] {
        session.request("session.ping", &json!({"nonce": nonce, "sent_at": "2026-01-01T00:00:00Z"})).await;
    }
    session.fence().await?;
    let numbered =
        session.seen.iter().find(|frame| kind(frame).starts_with("session.") && !frame["event_seq"].is_null());
    expect(numbered.is_none(), || "a session message has an event_seq".to_owned())?;
    session.is_gapless_from(1)
}

async fn idle_peer(trial: &Trial<'_>) -> Judged {
    let Some(interval) = interval(trial).await? else {
        return not_offered("the interval of heartbeats is longer than half of --timeout");
    };
    let mut session = trial.session_with(&FEATURES).await?;
    session.answers_pings = false;
    match session.arrival(interval * 2 + Duration::from_secs(1)).await {
        Arrival::Frame(_) => Ok(()),
        Arrival::Garbage => broken("what comes is no JSON object"),
        Arrival::Ended(_) => broken("the connection ends without a ping"),
        Arrival::Silence => broken("nothing is sent for two intervals"),
    }
}

async fn loss_ends_no_job(trial: &Trial<'_>) -> Judged {
    let Some(interval) = interval(trial).await? else {
        return not_offered("the interval of heartbeats is longer than half of --timeout");
    };
    let mut session = trial.session_with(&FEATURES).await?;
    session.answers_pings = false;
    let ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).saturating_mul(4);
    let job = session.submit(&trial.agents().stubborn, &json!({ "ms": ms })).await?;
    let until = tokio::time::Instant::now() + interval * 4;
    let lost = loop {
        match session.arrival(until.saturating_duration_since(tokio::time::Instant::now())).await {
            Arrival::Ended(_) => break true,
            Arrival::Silence => break false,
            Arrival::Frame(frame) if frame["job_id"] == job.id.as_str() && kind(&frame) == "job.error" => {
                return broken(format!("the job ends with {}", code(&frame)));
            }
            Arrival::Frame(_) | Arrival::Garbage => {}
        }
    };
    if !lost {
        return not_offered("the runtime does not give up a silent peer");
    }
    let (point, _) = session.cut();
    let mut again = trial.resume(&point).await?;
    let end = again.terminal(&job.id).await?;
    expect(kind(&end) == "job.result", || format!("the job ends with {}", code(&end)))
}

async fn acks_are_silent(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("ack")?;
    session.fence().await?;
    let last = session.point().last_event_seq;
    session.request("session.ack", &json!({ "last_processed_seq": last })).await;
    session.fence().await?;
    session.is_gapless_from(1)?;
    let refused = session.seen.iter().find(|frame| kind(frame) == "session.error");
    expect(refused.is_none(), || "it is answered with session.error".to_owned())
}

async fn acks_are_advisory(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("ack")?;
    session.fence().await?;
    for number in [2, 1, 0, 1_000_000] {
        session.request("session.ack", &json!({ "last_processed_seq": number })).await;
    }
    session.fence().await?;
    session.is_gapless_from(1)
}

async fn unacknowledged_events(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("ack")?;
    session.run(&trial.agents().flood, &json!({"n": 200})).await?;
    session.request("session.ack", &json!({"last_processed_seq": 1})).await;
    session.fence().await?;
    let (point, _) = session.cut();
    let mut again = trial.resume(&Point { last_event_seq: 1, ..point.clone() }).await?;
    let last = point.last_event_seq;
    again.until(0, &format!("event {last} again"), |frame| frame["event_seq"] == last).await?;
    again.is_gapless_from(2)
}

async fn slow_consumer(trial: &Trial<'_>) -> Judged {
    let mut session = trial.session().await?;
    session.needs("ack")?;
    session.fence().await?;
    session.request("session.ack", &json!({"last_processed_seq": 1})).await;
    let (job, end) = session.run(&trial.agents().flood, &json!({"n": 1500})).await?;
    expect(kind(&end) == "job.result", || format!("the job ends with {}", code(&end)))?;
    let logs = session.bodies(&job.id, "log").len();
    expect(logs == 1500, || format!("{logs} of 1500 events come"))?;
    session.is_gapless_from(1)
}
