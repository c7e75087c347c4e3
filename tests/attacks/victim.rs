//! The honest tenant: it measures what it is served with during an attack, and checks that it has lost nothing.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use nuncio_tests::wire::Wire;

const KEYS: usize = 50;

/// Times, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Returns the time that this share of all times is not above.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = ((sorted.len() as f64 - 1.0) * share).round() as usize;
        sorted.get(index).copied().unwrap_or_default()
    }
}

/// What the tenant has measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) pings: Times,
    pub(crate) jobs: Times,
    pub(crate) logins: Times,
}

/// What the tenant has on the server.
pub(crate) struct Victim {
    url: String,
    session: Wire,
    sleeper: String,
    keyed: Vec<String>,
}

impl Victim {
    /// Opens a session with a running job, and runs 50 jobs with keys.
    pub(crate) fn new(url: &str) -> Victim {
        let mut session = Wire::login(url, "honest").unwrap();
        let sleeper = job(&mut session, &json!({"agent": "sleep"})).unwrap();
        let keyed = (0..KEYS).map(|key| job(&mut session, &keyed(key)).unwrap()).collect();
        Victim { url: url.to_owned(), session, sleeper, keyed }
    }

    /// Works like any tenant until it is told to stop. Every request must be answered.
    pub(crate) fn work(&self, stop: &AtomicBool) -> Measured {
        let every = |pause: u64, mut work: Box<dyn FnMut() + Send>| {
            let mut times = Times::default();
            while !stop.load(Ordering::SeqCst) {
                let began = Instant::now();
                work();
                times.0.push(began.elapsed());
                thread::sleep(Duration::from_millis(pause));
            }
            times
        };
        let url = &self.url;
        let (mut pinger, mut runner) = (Wire::login(url, "honest").unwrap(), Wire::login(url, "honest").unwrap());
        thread::scope(|scope| {
            let pings = scope.spawn(move || {
                every(
                    4,
                    Box::new(move || {
                        pinger.request("session.ping", &json!({"nonce": "n"})).unwrap();
                        let pong = pinger.read().unwrap();
                        assert!(pong.contains("session.pong"), "{pong}");
                    }),
                )
            });
            let jobs = scope.spawn(move || {
                every(
                    20,
                    Box::new(move || {
                        let job = job(&mut runner, &json!({"agent": "echo", "input": {"n": 1}})).unwrap();
                        let end = runner.terminal(&job).unwrap();
                        assert_eq!(end["type"], "job.result", "{end}");
                    }),
                )
            });
            let logins = {
                let url = url.clone();
                scope.spawn(move || every(100, Box::new(move || drop(Wire::login(&url, "honest").unwrap()))))
            };
            Measured {
                pings: pings.join().expect("pings are answered"),
                jobs: jobs.join().expect("jobs run"),
                logins: logins.join().expect("logins are accepted"),
            }
        })
    }

    /// Checks that everything is as before.
    pub(crate) fn check(mut self) {
        for (key, before) in self.keyed.iter().enumerate() {
            let again = job(&mut self.session, &keyed(key)).unwrap();
            assert_eq!(again, *before, "the key {key} is still known");
        }
        let listed = self.list();
        for job in self.keyed.iter().chain([&self.sleeper]) {
            assert!(listed.contains(job), "the job {job} is still kept");
        }
        // The session is the one that may cancel the job, and is told of its end.
        self.session.request("job.cancel", &json!({"job_id": self.sleeper})).unwrap();
        let end = self.session.terminal(&self.sleeper).unwrap();
        assert_eq!(end["payload"]["code"], "CANCELLED", "{end}");
    }

    fn list(&mut self) -> Vec<String> {
        let (mut jobs, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let id = self.session.request("session.list_jobs", &json!({"limit": 1_000, "cursor": cursor})).unwrap();
            let page = self.session.answer(&id).unwrap()["payload"].take();
            let rows = page["jobs"].as_array().into_iter().flatten();
            jobs.extend(rows.filter_map(|row| row["job_id"].as_str().map(str::to_owned)));
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                return jobs;
            }
        }
    }
}

fn keyed(key: usize) -> Value {
    json!({"agent": "echo", "input": key, "idempotency_key": format!("honest-{key}")})
}

/// Submits a job, and returns its id.
fn job(wire: &mut Wire, submit: &Value) -> io::Result<String> {
    let id = wire.request("job.submit", submit)?;
    let answer = wire.answer(&id)?;
    let job = answer["payload"]["job_id"].as_str().filter(|_| answer["type"] == "job.accepted");
    job.map(str::to_owned).ok_or_else(|| io::Error::other(answer.to_string()))
}
