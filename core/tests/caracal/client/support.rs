//! A client whose outputs are collected, with a token from the beginning.

use std::collections::VecDeque;

use nuncio_core::caracal::{
    ApplicationId, BearerToken, Client, ClientConfig, ClientEvent, ClientOutput, Delegate, Generation, Header, Request,
    RequestId, Response, SessionId, Spawn, TransportFailure, Ttl, ZoneId,
};
use nuncio_core::time::Time;

pub(crate) const START: Time = Time(1_779_000_000_000_000);

pub(crate) struct Host {
    pub(crate) client: Client,
    pub(crate) now: Time,
    outputs: VecDeque<ClientOutput>,
}

impl Host {
    /// A client with a token that never expires.
    pub(crate) fn new(generation: Generation, change: impl FnOnce(&mut ClientConfig)) -> Host {
        let mut host = Host::without_token(generation, change);
        host.client.token(START, token("token"), None);
        host
    }

    pub(crate) fn without_token(generation: Generation, change: impl FnOnce(&mut ClientConfig)) -> Host {
        let config = ClientConfig::new(ZoneId::new("z1").unwrap()).with(|config| {
            config.generation = generation;
            change(config);
        });
        Host { client: Client::new(config, [7; 32], START), now: START, outputs: VecDeque::new() }
    }

    pub(crate) fn next(&mut self) -> Option<ClientOutput> {
        while let Some(output) = self.client.poll_output() {
            self.outputs.push_back(output);
        }
        self.outputs.pop_front()
    }

    /// The next output, which is a request.
    pub(crate) fn request(&mut self) -> (RequestId, Request) {
        match self.next() {
            Some(ClientOutput::Request { id, request }) => (id, request),
            other => panic!("not a request: {other:?}"),
        }
    }

    /// The next output, which is an event.
    pub(crate) fn event(&mut self) -> ClientEvent {
        match self.next() {
            Some(ClientOutput::Event(event)) => event,
            other => panic!("not an event: {other:?}"),
        }
    }

    pub(crate) fn idle(&mut self) {
        let output = self.next();
        assert!(output.is_none(), "{output:?}");
    }

    pub(crate) fn respond(&mut self, id: RequestId, status: u16, body: &str) {
        self.respond_later(id, status, None, body);
    }

    pub(crate) fn respond_later(&mut self, id: RequestId, status: u16, retry_after: Option<&str>, body: &str) {
        self.client.handle_response(self.now, id, &Response { status, retry_after, body: body.as_bytes() });
    }

    pub(crate) fn fail(&mut self, id: RequestId, failure: TransportFailure) {
        self.client.handle_failure(self.now, id, failure);
    }

    /// Lets the next deadline pass. Returns the microseconds until then.
    pub(crate) fn wait(&mut self) -> u64 {
        let (at, _) = self.client.poll_timeout().expect("a deadline");
        let waited = at.since(self.now);
        self.now = self.now.max(at);
        self.client.handle_timeout(self.now);
        waited
    }
}

pub(crate) fn token(text: &str) -> BearerToken {
    BearerToken::new(text).unwrap()
}

pub(crate) fn session(id: &str) -> SessionId {
    SessionId::new(id).unwrap()
}

pub(crate) fn spawn() -> Spawn {
    Spawn::new(ApplicationId::new("app-a").unwrap())
}

pub(crate) fn delegate(source: &str) -> Delegate {
    let application = ApplicationId::new("app-a").unwrap();
    Delegate {
        issuer: application.clone(),
        source: session(source),
        target: session("target"),
        receiver: application,
        scopes: vec!["x".into()],
        parent_edge: None,
        constraints: None,
        ttl: Ttl::from_secs(60),
    }
}

pub(crate) fn key(request: &Request) -> Option<String> {
    let field = request.headers().iter().find(|field: &&Header| field.name() == "idempotency-key")?;
    Some(field.value().expose().to_owned())
}
