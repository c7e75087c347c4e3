//! A coordinator on a socket, and an application that asks it.

use std::time::Duration;

use nuncio_tokio::caracal::{
    Coordinator, CoordinatorBuilder, CoordinatorEvent, CoordinatorServer, Enforcement, HttpLimits, Secret,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::http::{Answer, Http};

/// Fails a test that hangs. Otherwise no test depends on how long anything takes.
pub(crate) async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), test).await.expect("the test hangs")
}

pub(crate) struct Site {
    pub(crate) coordinator: Coordinator,
    pub(crate) server: CoordinatorServer,
    pub(crate) events: UnboundedReceiver<CoordinatorEvent>,
    pub(crate) http: Http,
    /// The token of app-a, which is an administrator.
    pub(crate) token: String,
}

pub(crate) fn builder() -> CoordinatorBuilder {
    let builder = Coordinator::builder().zone("z1").application("app-a", Secret::new("secret of a"));
    builder.application("app-b", Secret::new("secret of b")).grant("app-a", "coordinator.admin")
}

impl Site {
    pub(crate) async fn start(builder: CoordinatorBuilder) -> Site {
        Site::with(builder, HttpLimits::default()).await
    }

    pub(crate) async fn deployed() -> Site {
        Site::start(builder().enforcement(Enforcement::Deployed)).await
    }

    pub(crate) async fn with(builder: CoordinatorBuilder, limits: HttpLimits) -> Site {
        let (told, events) = unbounded_channel();
        let coordinator = builder.on_event(move |event| told.send(event.clone()).unwrap_or_default()).start().unwrap();
        let server = CoordinatorServer::listen(coordinator.clone(), "127.0.0.1:0", limits).await.unwrap();
        let mut http = Http::connect(server.address()).await;
        let token = token(&mut http, "app-a", "secret of a", "agent:lifecycle coordinator.admin").await;
        Site { coordinator, server, events, http, token }
    }

    /// Sends a request of app-a; `target` is what follows the zone.
    pub(crate) async fn ask(&mut self, method: &str, target: &str, body: &Value) -> Answer {
        let token = self.token.clone();
        self.ask_as(&token, method, target, body).await
    }

    pub(crate) async fn ask_as(&mut self, token: &str, method: &str, target: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", &*authorization), ("content-type", "application/json")];
        self.http.ask(method, &format!("/zones/z1{target}"), &headers, &body).await
    }

    pub(crate) async fn spawn(&mut self, more: &Value) -> Answer {
        let mut body = json!({"application_id": "app-a", "kind": "instance"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.ask("POST", "/agents", &body).await
    }

    /// Opens a session and returns its id.
    pub(crate) async fn session(&mut self, parent: Option<&str>) -> String {
        let more = parent.map_or(json!({}), |parent| json!({ "parent_id": parent }));
        id(&self.spawn(&more).await)
    }

    pub(crate) async fn status(&mut self, session: &str) -> String {
        let shown = self.ask("GET", &format!("/agents/{session}"), &Value::Null).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        shown.body["status"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn statuses(&mut self, sessions: &[&String]) -> Vec<String> {
        let mut all = Vec::new();
        for session in sessions {
            all.push(self.status(session).await);
        }
        all
    }

    pub(crate) async fn patch(&mut self, target: &str) -> (u16, Value) {
        let answer = self.ask("PATCH", target, &Value::Null).await;
        (answer.status, answer.body)
    }

    pub(crate) async fn edge(&mut self, from: &str, to: &str, more: &Value) -> Answer {
        let mut body = json!({
            "issuer_application_id": "app-a", "source_session_id": from,
            "target_session_id": to, "receiver_application_id": "app-a",
            "scopes": ["x"], "ttl_seconds": 60,
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.ask("POST", "/delegations", &body).await
    }

    /// Waits until a session has ended.
    pub(crate) async fn ended(&mut self, session: &str) {
        loop {
            match self.events.recv().await.unwrap() {
                CoordinatorEvent::Ended { session: ended, .. } if ended.as_str() == session => return,
                _ => {}
            }
        }
    }
}

pub(crate) fn form(application: &str, secret: &str, scope: &str) -> String {
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    let text =
        format!("grant_type={grant}&zone_id=z1&application_id={application}&client_secret={secret}&scope={scope}");
    text.replace(' ', "+")
}

pub(crate) async fn token(http: &mut Http, application: &str, secret: &str, scope: &str) -> String {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = http.ask("POST", "/oauth/2/token", &headers, &form(application, secret, scope)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["access_token"].as_str().unwrap().to_owned()
}

pub(crate) fn id(created: &Answer) -> String {
    assert!(matches!(created.status, 200 | 201), "{created:?}");
    created.body["id"].as_str().unwrap().to_owned()
}
