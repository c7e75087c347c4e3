//! A coordinator, and programs that use it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nuncio_tests::peers::run_to_end;
use nuncio_tokio::caracal::{Coordinator, CoordinatorEvent, CoordinatorServer, Generation, HttpLimits, Secret};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How long a program may take.
const LIMIT: Duration = Duration::from_mins(1);

/// A coordinator with the applications of the guide.
pub(super) struct Site {
    coordinator: Coordinator,
    server: CoordinatorServer,
    pub(super) events: Receiver<CoordinatorEvent>,
    // Dropped last, because the server runs on it.
    pub(super) runtime: Runtime,
}

impl Site {
    pub(super) fn start(generation: Generation) -> Site {
        let (told, events) = channel();
        let runtime = Runtime::new().unwrap();
        let coordinator = Coordinator::builder()
            .zone("my-zone")
            .generation(generation)
            .application("my-app", Secret::new("s3cret"))
            .application("payments-service", Secret::new("other"))
            .grant("my-app", "coordinator.delegate_to:payments-service")
            // The test has ended if nobody wants to know any more.
            .on_event(move |event| drop(told.send(event.clone())))
            .start()
            .unwrap();
        let listening = CoordinatorServer::listen(coordinator.clone(), "127.0.0.1:0", HttpLimits::default());
        let server = runtime.block_on(listening).unwrap();
        Site { coordinator, server, events, runtime }
    }

    pub(super) fn live_sessions(&self) -> usize {
        self.coordinator.live_sessions()
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    pub(super) fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Sends a request and returns the body of its answer.
    pub(super) fn ask(&self, method: &str, target: &str, token: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        let head = format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        let fields = format!("authorization: Bearer {token}\r\ncontent-length: {}\r\n", body.len());
        write!(stream, "{head}{fields}\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Returns a token of an application.
    pub(super) fn token(&self, application: &str, secret: &str, scope: &str) -> String {
        let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
        let scope = scope.replace(' ', "+");
        let form = format!(
            "grant_type={grant}&zone_id=my-zone&application_id={application}&client_secret={secret}&scope={scope}"
        );
        self.ask("POST", "/oauth/2/token", "", &form)["access_token"].as_str().unwrap().to_owned()
    }

    /// Opens a session of the payments service, to which the guide delegates.
    pub(super) fn payments(&self) -> String {
        let token = self.token("payments-service", "other", "agent:lifecycle");
        let body = json!({"application_id": "payments-service", "kind": "service"}).to_string();
        self.ask("POST", "/zones/my-zone/agents", &token, &body)["id"].as_str().unwrap().to_owned()
    }

    /// Returns a program with the environment of the guide.
    pub(super) fn program(&self, python: PathBuf, name: &str) -> Command {
        let sources: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/caracal/py");
        let mut command = Command::new(python);
        command
            .arg("-u")
            .arg(sources.join(name))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", sources.join("redirect"))
            .env("NUNCIO_TEST_HOSTS", format!("coordinator={}", self.port()))
            .env("CARACAL_COORDINATOR_URL", self.server.url())
            .env("CARACAL_ZONE_ID", "my-zone")
            .env("CARACAL_APPLICATION_ID", "my-app");
        command
    }
}

/// Runs a program to its end, and returns the lines that it has printed, without the words before the first colon.
pub(super) fn printed(command: Command) -> Vec<Vec<String>> {
    let outcome = run_to_end(command, LIMIT);
    assert!(outcome.succeeded(), "{outcome:?}");
    let words =
        |line: &str| line.split_once(": ").map_or(line, |(_, rest)| rest).split(' ').map(str::to_owned).collect();
    outcome.stdout.lines().map(words).collect()
}
