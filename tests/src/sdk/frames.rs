//! Frames as an SDK writes them: a recorded line, with other ids and payload.

use serde_json::{Value, json};

use super::Sdk;

impl Sdk {
    /// Returns a frame of this type with a fresh id of the SDK's form.
    pub(super) fn frame(&self, kind: &str, number: u64, session: &str, payload: Value) -> Value {
        let mut frame = self.recorded(|frame| frame["type"] == kind);
        frame["id"] = json!(self.id(number));
        frame["session_id"] = json!(session);
        if frame.get("job_id").is_some() || matches!(kind, "job.cancel" | "job.subscribe") {
            frame["job_id"] = payload["job_id"].clone();
        }
        if frame["trace_id"].is_string() {
            frame.as_object_mut().expect("a frame").remove("trace_id");
        }
        frame["payload"] = payload;
        frame
    }

    /// Returns the hello of a new session.
    pub(super) fn hello(&self, number: u64, token: &str) -> Value {
        let mut hello = self.recorded(|frame| {
            let payload = &frame["payload"];
            let resumes = payload.get("resume").is_some() || payload.get("resume_token").is_some();
            frame["type"] == "session.hello" && !resumes && payload["auth"]["token"].is_string()
        });
        hello["id"] = json!(self.id(number));
        hello["payload"]["auth"]["token"] = json!(token);
        hello
    }

    /// Returns the frame by which the SDK resumes a session: a hello, or a `session.resume`.
    pub(super) fn resume(&self, number: u64, token: &str, session: &str, resume_token: &str, last: u64) -> Value {
        let mut frame = self.recorded(|frame| {
            let payload = &frame["payload"];
            // The last form that the fixture has is the one that the SDK's documentation shows.
            payload.get("resume").is_some() || payload.get("resume_token").is_some()
        });
        frame["id"] = json!(self.id(number));
        let payload = &mut frame["payload"];
        payload["auth"] = json!({"scheme": "bearer", "token": token});
        let place = if payload.get("resume").is_some() { &mut payload["resume"] } else { payload };
        for (name, value) in [
            ("session_id", json!(session)),
            ("resume_token", json!(resume_token)),
            ("token", json!(resume_token)),
            ("last_event_seq", json!(last)),
        ] {
            if place.get(name).is_some() {
                place[name] = value;
            }
        }
        frame
    }

    /// Returns the last recorded frame that fits.
    fn recorded(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let frames = self.lines().map(|line| serde_json::from_str::<Value>(line).expect("a fixture is JSON"));
        let frame = frames.filter(fits).last();
        frame.unwrap_or_else(|| panic!("{} was not recorded to send such a frame", self.name))
    }

    /// Returns an envelope id of the SDK's form.
    fn id(&self, number: u64) -> String {
        match self.name {
            "ts" | "csharp" => format!("msg_01M8HFFC0E{number:016}"),
            "go" | "ruby" => format!("01a222fe-16b7-7000-9e2f-{number:012x}"),
            "spec" => format!("request-{number}"),
            _ => format!("01M8HFFC0E{number:016}"),
        }
    }

    /// Returns a `lease_request` for these namespaces, each with everything in it.
    pub(super) fn lease(&self, namespaces: &[&str]) -> Value {
        if self.name == "ruby" {
            return json!({"capabilities": namespaces});
        }
        let grants = namespaces.iter().map(|name| ((*name).to_owned(), json!(["*"])));
        Value::Object(grants.collect())
    }
}
