//! A coordinator whose outputs are collected, and which is asked in JSON.

use nuncio_core::caracal::{
    ApplicationId, AuthorityId, Coordinator, CoordinatorConfig, CoordinatorEvent, CoordinatorOutput, CoordinatorRecord,
    CredentialFault, Enforcement, Generation, IncomingId, IncomingRequest, LIFECYCLE_SCOPE, Principal, Reply,
    ZoneConfig, ZoneId,
};
use nuncio_core::time::Time;
use serde_json::{Value, json};

pub(crate) const START: Time = Time(1_779_000_000_000_000);

pub(crate) struct Server {
    pub(crate) coordinator: Coordinator,
    pub(crate) now: Time,
    pub(crate) stored: Vec<(u64, CoordinatorRecord)>,
    pub(crate) events: Vec<CoordinatorEvent>,
    next: u64,
}

pub(crate) fn zone() -> ZoneId {
    ZoneId::new("z1").unwrap()
}

pub(crate) fn config(generation: Generation, enforcement: Enforcement) -> CoordinatorConfig {
    CoordinatorConfig::default().with(|config| {
        let applications = ["app-a", "app-b"].map(|id| ApplicationId::new(id).unwrap()).into();
        config.generation = generation;
        config.enforcement = enforcement;
        config.journal = true;
        config.zones.push(ZoneConfig { id: zone(), applications, resources: None });
    })
}

pub(crate) fn principal(application: &str, scopes: &[&str]) -> Principal {
    Principal {
        zone: zone(),
        application: ApplicationId::new(application).unwrap(),
        subject: application.into(),
        scopes: [LIFECYCLE_SCOPE].iter().chain(scopes).map(|scope| (*scope).into()).collect(),
        authority: Some(AuthorityId::new(&format!("sid-{application}")).unwrap()),
    }
}

impl Server {
    pub(crate) fn new(generation: Generation) -> Server {
        Server::with(generation, |_| {})
    }

    pub(crate) fn with(generation: Generation, change: impl FnOnce(&mut CoordinatorConfig)) -> Server {
        Server::of(config(generation, Enforcement::Strict).with(change))
    }

    pub(crate) fn of(config: CoordinatorConfig) -> Server {
        Server {
            coordinator: Coordinator::new(config, [7; 32], START),
            now: START,
            stored: Vec::new(),
            events: Vec::new(),
            next: 0,
        }
    }

    /// A coordinator that is restored from the records of this one.
    pub(crate) fn restart(&self) -> Server {
        let config = self.coordinator.config().clone();
        let (coordinator, restored) = Coordinator::restore(config, [7; 32], self.now, self.stored.iter().cloned());
        assert_eq!((restored.repeated, restored.ignored), (0, 0), "{restored:?}");
        let (now, stored) = (self.now, self.stored.clone());
        let mut server = Server { coordinator, now, stored, events: Vec::new(), next: self.next };
        server.drain();
        server
    }

    /// Sends a request. `target` is what follows `/zones/z1`.
    pub(crate) fn send(
        &mut self,
        caller: Result<&Principal, CredentialFault>,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        self.next += 1;
        let id = IncomingId(self.next);
        let target = format!("/zones/z1{target}");
        let request = IncomingRequest { method, target: &target, headers, body: body.as_bytes(), caller };
        self.coordinator.handle_request(self.now, id, &request);
        let (answered, reply) = self.drain().pop().expect("an answer");
        assert_eq!(answered, id);
        reply
    }

    /// Collects the outputs, and returns the answers among them.
    pub(crate) fn drain(&mut self) -> Vec<(IncomingId, Reply)> {
        let mut replies = Vec::new();
        while let Some(output) = self.coordinator.poll_output() {
            let last = self.stored.last().map_or(0, |(seq, _)| *seq);
            match output {
                CoordinatorOutput::Store { seq, record } => {
                    assert_eq!(seq, last + 1, "stores are numbered");
                    let again = CoordinatorRecord::decode(&record.encode()).unwrap();
                    assert_eq!(again.encode(), record.encode(), "a record is read back unchanged");
                    self.stored.push((seq, again));
                }
                CoordinatorOutput::Respond { id, reply, after } => {
                    assert_eq!(after, last, "an answer waits for all stores before it");
                    replies.push((id, reply));
                }
                CoordinatorOutput::Event { event, after } => {
                    assert_eq!(after, last);
                    self.events.push(event);
                }
            }
        }
        replies
    }

    pub(crate) fn wait(&mut self, secs: u64) {
        self.now = self.now.plus_secs(secs);
        self.coordinator.handle_timeout(self.now);
        assert!(self.drain().is_empty());
    }

    /// Sends a request of an application, and returns the status and the body of its answer.
    pub(crate) fn ask(&mut self, caller: &Principal, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        answer(&self.send(Ok(caller), method, target, &[], &body))
    }

    pub(crate) fn get(&mut self, target: &str) -> (u16, Value) {
        self.ask(&principal("app-a", &["coordinator.admin"]), "GET", target, &Value::Null)
    }

    pub(crate) fn status(&mut self, session: &str) -> String {
        let (status, body) = self.get(&format!("/agents/{session}"));
        assert_eq!(status, 200);
        body["status"].as_str().unwrap().to_owned()
    }

    /// Opens a session of an application, with further members.
    pub(crate) fn spawn(&mut self, application: &str, more: &Value) -> Result<String, (u16, String)> {
        let mut body = json!({ "application_id": application });
        merge(&mut body, more);
        let reply = self.ask(&principal(application, &[]), "POST", "/agents", &body);
        created(reply)
    }

    pub(crate) fn session(&mut self, parent: Option<&str>) -> String {
        let more = parent.map_or(json!({}), |parent| json!({ "parent_id": parent }));
        self.spawn("app-a", &more).unwrap()
    }

    /// Creates an edge between two sessions of app-a.
    pub(crate) fn edge(&mut self, from: &str, to: &str, more: &Value) -> Result<String, (u16, String)> {
        let mut body = json!({
            "issuer_application_id": "app-a", "source_session_id": from,
            "target_session_id": to, "receiver_application_id": "app-a",
            "scopes": ["x"], "ttl_seconds": 60,
        });
        merge(&mut body, more);
        let caller = principal("app-a", &["coordinator.delegate_broad"]);
        created(self.ask(&caller, "POST", "/delegations", &body))
    }

    pub(crate) fn terminate(&mut self, session: &str) -> (u16, Value) {
        self.ask(&principal("app-a", &[]), "DELETE", &format!("/agents/{session}"), &Value::Null)
    }

    pub(crate) fn patch(&mut self, target: &str) -> (u16, Value) {
        self.ask(&principal("app-a", &[]), "PATCH", target, &Value::Null)
    }

    pub(crate) fn edge_status(&mut self, into: &str, edge: &str) -> String {
        let (status, body) = self.get(&format!("/delegations/inbound/{into}"));
        assert_eq!(status, 200);
        let items = body["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["id"] == *edge).expect("the edge is listed");
        item["status"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn answer(reply: &Reply) -> (u16, Value) {
    let body = reply.body().map_or(Value::Null, |body| serde_json::from_str(body).expect("a body is JSON"));
    (reply.status(), body)
}

/// The id of what was created, or the status and the code of the refusal.
pub(crate) fn created((status, body): (u16, Value)) -> Result<String, (u16, String)> {
    let id = ["agent_session_id", "id"].into_iter().find_map(|name| body[name].as_str());
    // The answer to a delegation of 1.0 has another name, and that of a spawn an edge too.
    let id = id.or_else(|| body["delegation_edge_id"].as_str());
    match (status, id) {
        (201 | 200, Some(id)) => Ok(id.to_owned()),
        _ => Err((status, body["error"].as_str().unwrap_or_default().to_owned())),
    }
}

pub(crate) fn merge(body: &mut Value, more: &Value) {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
}

pub(crate) fn refused<T>(status: u16, code: &str) -> Result<T, (u16, String)> {
    Err((status, code.to_owned()))
}
