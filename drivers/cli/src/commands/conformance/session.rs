//! A session of the suite with a runtime: requests, jobs, and what came of them.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use super::agents::Agents;
use super::finding::{Judged, broken, expect, not_offered};
use super::frame::{code, gap, is_event, is_terminal, job_of, kind, seq, text};
use super::wire::Wire;

/// What a client needs to resume a session (§6.3).
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) session_id: String,
    pub(super) resume_token: String,
    pub(super) last_event_seq: u64,
}

/// The answer to a request.
#[derive(Debug)]
pub(super) enum Answer {
    Reply(Value),
    /// An error; its code.
    Refused(String),
}

/// A job that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    /// Its `job.accepted`.
    pub(super) accepted: Value,
}

pub(super) struct Session<'a> {
    wire: Wire,
    agents: &'a Agents,
    /// Its `session.welcome`.
    pub(super) welcome: Value,
    features: Vec<String>,
    jobs: Vec<String>,
}

impl Deref for Session<'_> {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Session<'_> {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(mut wire: Wire, welcome: Value, offered: &[&str], agents: &'a Agents) -> Session<'a> {
        let id = [text(&welcome, "/session_id"), text(&welcome, "/payload/session_id")];
        let id = id.into_iter().find(|id| !id.is_empty()).unwrap_or_default();
        id.clone_into(&mut wire.session_id);
        let listed = welcome.pointer("/payload/capabilities/features").and_then(Value::as_array);
        let listed = listed.into_iter().flatten().filter_map(Value::as_str);
        let features = listed.filter(|feature| offered.contains(feature)).map(str::to_owned).collect();
        Session { wire, agents, welcome, features, jobs: Vec::new() }
    }

    /// Returns whether both sides have named a feature.
    pub(super) fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|name| name == feature)
    }

    /// Requires a feature.
    pub(super) fn needs(&self, feature: &str) -> Judged {
        if self.has(feature) { Ok(()) } else { not_offered(format!("the runtime does not offer {feature}")) }
    }

    /// Returns the entry of an agent in the welcome, which is a name or an object. `None` also if the welcome lists none.
    pub(super) fn listed(&self, agent: &str) -> Option<&Value> {
        let agents = self.welcome.pointer("/payload/capabilities/agents")?.as_array()?;
        agents.iter().find(|entry| entry.as_str() == Some(agent) || entry["name"].as_str() == Some(agent))
    }

    /// Requires an agent. A runtime that lists no agents may have any.
    pub(super) fn offers(&self, agent: &str) -> Judged {
        let lists = self.welcome.pointer("/payload/capabilities/agents").and_then(Value::as_array);
        if lists.is_none_or(Vec::is_empty) || self.listed(agent).is_some() {
            return Ok(());
        }
        not_offered(format!("the runtime has no agent {agent}"))
    }

    pub(super) fn point(&self) -> Point {
        Point {
            session_id: self.session_id.clone(),
            resume_token: text(&self.welcome, "/payload/resume_token").to_owned(),
            last_event_seq: self.seen.iter().filter_map(seq).max().unwrap_or(0),
        }
    }

    /// Sends a request and waits for a reply of this type, or for its refusal.
    pub(super) async fn exchange(&mut self, request: &str, payload: &Value, reply: &str) -> Judged<Answer> {
        let from = self.seen.len();
        let id = self.request(request, payload).await;
        self.answer(from, &id, request, reply).await
    }

    /// Waits for the answer to a request, among the frames from `from` on.
    pub(super) async fn answer(&mut self, from: usize, id: &str, request: &str, reply: &str) -> Judged<Answer> {
        let jobs = self.jobs.clone();
        let frame = self
            .until(from, &format!("the answer to {request}"), |frame| {
                let names = ["request_id", "reply_to"].into_iter().find_map(|name| frame["payload"][name].as_str());
                let is_ours = names.is_none_or(|name| name == id);
                is_ours
                    && match kind(frame) {
                        "session.error" => true,
                        // Some runtimes refuse a request with an error of a job that does not exist, or of that with the key.
                        "job.error" => {
                            let is_known = jobs.iter().any(|job| job == job_of(frame));
                            !is_known || seq(frame).is_none() || code(frame) == "DUPLICATE_KEY"
                        }
                        name => name == reply && frame["payload"]["delegate_id"].is_null(),
                    }
            })
            .await?;
        if kind(&frame) == reply { Ok(Answer::Reply(frame)) } else { Ok(Answer::Refused(code(&frame).to_owned())) }
    }

    /// Sends a request that must be granted.
    pub(super) async fn granted(&mut self, request: &str, payload: &Value, reply: &str) -> Judged<Value> {
        match self.exchange(request, payload, reply).await? {
            Answer::Reply(frame) => Ok(frame),
            Answer::Refused(code) => broken(format!("{request} is refused with {code}")),
        }
    }

    /// Sends a request that must be refused with one of these codes.
    pub(super) async fn refused(&mut self, request: &str, payload: &Value, reply: &str, codes: &[&str]) -> Judged {
        match self.exchange(request, payload, reply).await? {
            Answer::Reply(_) => broken(format!("{request} is answered with {reply}, not with {}", codes.join(" or "))),
            Answer::Refused(code) => expect(codes.contains(&code.as_str()), || {
                format!("{request} is refused with {code:?}, not with {}", codes.join(" or "))
            }),
        }
    }

    /// Submits a job of an agent with more members of the payload; it must be accepted.
    pub(super) async fn submit_with(&mut self, agent: &str, more: &Value) -> Judged<Job> {
        let accepted = self.granted("job.submit", &self.submission(agent, more)?, "job.accepted").await?;
        let id = job_of(&accepted).to_owned();
        expect(!id.is_empty(), || "job.accepted names no job".to_owned())?;
        self.jobs.push(id.clone());
        Ok(Job { id, accepted })
    }

    pub(super) async fn submit(&mut self, agent: &str, input: &Value) -> Judged<Job> {
        self.submit_with(agent, &json!({ "input": input })).await
    }

    /// Returns the payload of a submit. The agent must be offered.
    pub(super) fn submission(&self, agent: &str, more: &Value) -> Judged<Value> {
        let bare = agent.split('@').next().unwrap_or_default();
        self.offers(bare)?;
        let mut payload = json!({"agent": agent, "input": {}});
        for (name, value) in more.as_object().into_iter().flatten() {
            payload[name] = value.clone();
        }
        Ok(payload)
    }

    /// Submits a job that must be refused with one of these codes.
    pub(super) async fn refused_submit(&mut self, agent: &str, more: &Value, codes: &[&str]) -> Judged {
        let payload = self.submission(agent, more)?;
        self.refused("job.submit", &payload, "job.accepted", codes).await
    }

    /// Waits for the terminal of a job.
    pub(super) async fn terminal(&mut self, job: &str) -> Judged<Value> {
        let what = format!("the end of {job}");
        self.until(0, &what, |frame| is_terminal(frame) && job_of(frame) == job).await
    }

    /// Submits a job and waits for its end.
    pub(super) async fn run_with(&mut self, agent: &str, more: &Value) -> Judged<(Job, Value)> {
        let job = self.submit_with(agent, more).await?;
        let terminal = self.terminal(&job.id).await?;
        Ok((job, terminal))
    }

    pub(super) async fn run(&mut self, agent: &str, input: &Value) -> Judged<(Job, Value)> {
        self.run_with(agent, &json!({ "input": input })).await
    }

    /// Runs a job to its end, which shows that the session works and that what was sent before has been read. Errors that
    /// answer an earlier message do not matter.
    pub(super) async fn fence(&mut self) -> Judged {
        let echo = &self.agents.echo;
        let mark = format!("fence {}", self.seen.len());
        let payload = self.submission(echo, &json!({ "input": mark }))?;
        let from = self.seen.len();
        self.request("job.submit", &payload).await;
        let what = format!("the result of a job of {echo}, submitted afterwards,");
        let end = self
            .until(from, &what, |frame| kind(frame) == "job.result" && text(frame, "/payload/result/echoed") == mark);
        let job = job_of(&end.await?).to_owned();
        self.jobs.push(job);
        Ok(())
    }

    /// Sends a cancel, with the job's id where each of the deployed runtimes looks for it; returns the id of the request.
    pub(super) async fn cancel(&mut self, job: &str) -> String {
        let mut frame = self.envelope("job.cancel", &json!({"job_id": job, "reason": "conformance"}));
        frame["job_id"] = job.into();
        self.send(&frame).await;
        text(&frame, "/id").to_owned()
    }

    /// Sends a cancel and waits for its answer.
    pub(super) async fn cancelled(&mut self, job: &str) -> Judged<Answer> {
        let from = self.seen.len();
        let id = self.cancel(job).await;
        self.answer(from, &id, "job.cancel", "job.cancelled").await
    }

    /// Sends a cancel that must not be granted; returns the code of the refusal, or `silence`, which a runtime may prefer.
    pub(super) async fn vain_cancel(&mut self, job: &str) -> Judged<String> {
        let from = self.seen.len();
        self.cancel(job).await;
        self.fence().await?;
        let answers = self.seen.iter().skip(from);
        let answer = answers.into_iter().find(|frame| match kind(frame) {
            "job.cancelled" | "session.error" => true,
            "job.error" => seq(frame).is_none() || job_of(frame) == job,
            _ => false,
        });
        match answer {
            Some(frame) if kind(frame) == "job.cancelled" => broken("it is answered with job.cancelled"),
            Some(frame) => Ok(code(frame).to_owned()),
            None => Ok("silence".to_owned()),
        }
    }

    /// Requires that the events and terminals seen so far have the numbers from `first` on.
    pub(super) fn is_gapless_from(&self, first: u64) -> Judged {
        match gap(&self.seen, first) {
            Some((due, came)) => broken(format!("event_seq {came} comes where {due} is due")),
            None => Ok(()),
        }
    }

    /// Returns the bodies of the events of a job of one kind.
    pub(super) fn bodies(&self, job: &str, event: &str) -> Vec<Value> {
        let events = self.seen.iter().filter(|frame| is_event(frame, job, event));
        events.map(|frame| frame["payload"]["body"].clone()).collect()
    }

    /// Waits for an event of a job that meets the condition.
    pub(super) async fn event(&mut self, job: &str, event: &str, meets: impl Fn(&Value) -> bool) -> Judged<Value> {
        let what = format!("a {event} event of {job}");
        self.until(0, &what, |frame| is_event(frame, job, event) && meets(&frame["payload"]["body"])).await
    }

    /// Lists jobs.
    pub(super) async fn list(&mut self, payload: &Value) -> Judged<Value> {
        self.needs("list_jobs")?;
        self.granted("session.list_jobs", payload, "session.jobs").await
    }

    /// Returns the row of a job, on whichever page it is.
    pub(super) async fn row(&mut self, job: &str) -> Judged<Option<Value>> {
        let mut cursor = Value::Null;
        // A list that never ends is no answer.
        for _ in 0..1_000 {
            let page = self.list(&json!({"limit": 100, "cursor": cursor})).await?;
            let rows = page["payload"]["jobs"].as_array().cloned().unwrap_or_default();
            if let Some(row) = rows.into_iter().find(|row| row["job_id"] == job) {
                return Ok(Some(row));
            }
            cursor = page["payload"]["next_cursor"].clone();
            if cursor.is_null() {
                return Ok(None);
            }
        }
        broken("the list of jobs does not end")
    }

    /// Subscribes to a job.
    pub(super) async fn subscribe(&mut self, payload: &Value) -> Judged<Value> {
        self.needs("subscribe")?;
        let subscribed = self.granted("job.subscribe", payload, "job.subscribed").await?;
        self.jobs.push(text(&subscribed, "/payload/job_id").to_owned());
        Ok(subscribed)
    }

    /// Breaks the connection; returns where to resume, and what was received.
    pub(super) fn cut(self) -> (Point, Vec<Value>) {
        (self.point(), self.wire.cut())
    }
}
