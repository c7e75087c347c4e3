//! Programs made with the package: a client that also watches the bus, and a worker.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;

use nuncio_tests::peers::{CapSdk, Dialogue};
use serde_json::{Value, json};

use super::support::Peers;

/// Starts a program of `py/` with settings on the servers, and waits until it is ready.
pub(super) fn start(sdk: CapSdk, script: &str, peers: &Peers, settings: Value) -> Dialogue {
    ready(launch(sdk, script, peers, settings))
}

/// Starts a program that may end before it is ready.
pub(super) fn launch(sdk: CapSdk, script: &str, peers: &Peers, mut settings: Value) -> Dialogue {
    settings["nats"] = json!(peers.nats_url());
    settings["redis"] = json!(peers.redis.url());
    launch_at(sdk, script, &settings, peers.authority())
}

/// Starts a program on the servers that the settings name, whose certificates come from an authority, and waits until it is
/// ready.
pub(super) fn start_at(sdk: CapSdk, script: &str, settings: &Value, authority: Option<&Path>) -> Dialogue {
    ready(launch_at(sdk, script, settings, authority))
}

fn ready(mut program: Dialogue) -> Dialogue {
    program.await_event("ready");
    program
}

fn launch_at(sdk: CapSdk, script: &str, settings: &Value, authority: Option<&Path>) -> Dialogue {
    let mut command = Command::new(sdk.python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/cap/py").join(script)).arg(settings.to_string());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(authority) = authority {
        // Python trusts the authorities in this file.
        command.env("SSL_CERT_FILE", authority);
    }
    Dialogue::start(command)
}

/// A client made with the package. It sees everything on the subjects that it watches.
pub(super) struct PythonClient {
    program: Dialogue,
    seen: VecDeque<Value>,
}

impl PythonClient {
    /// Starts a client with settings such as `{"watch": ["result"], "key": 1}`.
    pub(super) fn start(sdk: CapSdk, peers: &Peers, settings: Value) -> PythonClient {
        PythonClient { program: start(sdk, "client.py", peers, settings), seen: VecDeque::new() }
    }

    /// Lets the client do something, such as `{"do": "submit", "job": …}`.
    #[expect(clippy::needless_pass_by_value, reason = "requests are written where they are made")]
    pub(super) fn ask(&mut self, request: Value) -> Value {
        self.program.ask(&request)
    }

    /// Returns the next event of a kind for which a condition holds; others are kept.
    pub(super) fn see(&mut self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let fits = |event: &Value| event["event"] == kind && is_it(event);
        if let Some(at) = self.seen.iter().position(fits) {
            return self.seen.remove(at).expect("it is there");
        }
        loop {
            let event = self.program.event();
            if fits(&event) {
                return event;
            }
            self.seen.push_back(event);
        }
    }

    /// Returns the next result of a job, which has to verify and to break no rule.
    pub(super) fn result(&mut self, job: &str) -> Value {
        let result = self.see("result", |event| event["said"]["job_id"] == job);
        assert_eq!((&result["verifies"], &result["faults"]), (&json!(true), &json!([])), "{result}");
        result["said"].clone()
    }

    /// Sends a request and returns the status of its result.
    pub(super) fn status_of(&mut self, request: Value) -> String {
        let job = request["job"].as_str().expect("a job").to_owned();
        self.ask(request);
        self.result(&job)["status"].as_str().expect("a status").to_owned()
    }

    /// Returns how many events of a kind about a job were seen so far and are not yet returned.
    pub(super) fn left(&self, kind: &str, job: &str) -> usize {
        self.seen.iter().filter(|event| event["event"] == kind && event["said"]["job_id"] == job).count()
    }
}
