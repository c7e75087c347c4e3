//! Bearer tokens of clients that are refused while their session lives.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use nuncio_shared::arcp::{
    ClientBuildError, CloseReason, ConnectError, ErrorCode, Failure, JobContext, Level, Reconnect, Secret, SessionEnd,
    Submit, TokenSource,
};
use nuncio_shared::auth::{Claim, JwtKeys, JwtVerifier, Rejection};
use serde_json::{Value, json};

use super::client::Client;
use super::server::Server;
use super::support::{cut_websocket, memory_connector, within};

const JWT_SECRET: &[u8] = b"a secret that is long enough for HS256";

/// Tokens that are valid until they are withdrawn, all of one principal.
#[derive(Clone, Default)]
struct Valid(Arc<Mutex<BTreeSet<String>>>);

impl Valid {
    /// Makes this the only valid token.
    fn only(&self, token: &str) {
        *self.0.lock().unwrap() = BTreeSet::from([token.to_owned()]);
    }

    fn has(&self, token: &str) -> bool {
        self.0.lock().unwrap().contains(token)
    }
}

fn server(valid: &Valid) -> Server {
    let valid = valid.clone();
    let verifier = move |claim: Claim| {
        let known = valid.has(claim.token.expose());
        async move { if known { Ok("alice".to_owned()) } else { Err(Rejection::Invalid) } }
    };
    Server::builder().verifier(verifier).agent("counts", counts).build().unwrap()
}

async fn counts(to: u32, ctx: JobContext) -> Result<u32, Failure> {
    for n in 0..to {
        ctx.log(Level::Info, &n.to_string()).await?;
    }
    Ok(to)
}

fn quick() -> Reconnect {
    Reconnect::default().first_pause(Duration::from_millis(1)).longest_pause(Duration::from_millis(5))
}

#[test]
fn a_session_goes_on_with_a_newer_token_and_loses_no_event() {
    within(async {
        let valid = Valid::default();
        valid.only("token-1");
        let server = server(&valid);
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let source = TokenSource::new(move || {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok::<_, std::io::Error>(Secret::new(format!("token-{number}"))) }
        });
        // The first connection breaks in the middle of the job, when its token has expired.
        let (url, mut connections, withdrawn) = (listening.url().to_owned(), 0, valid.clone());
        let connector = move || {
            connections += 1;
            if connections == 2 {
                withdrawn.only("token-2");
            }
            cut_websocket(url.clone(), if connections == 1 { 20_000 } else { usize::MAX })
        };
        let client = Client::over(connector, source).reconnect(quick()).connect().await.unwrap();
        let mut job = client.submit(&Submit::new("counts").input(&1_000)).await.unwrap();
        let mut seen = Vec::new();
        while let Some(event) = job.events().try_next().await.unwrap() {
            let body: Value = event.body.parse().unwrap();
            seen.extend(body["message"].as_str().map(|text| text.parse::<u32>().unwrap()));
        }
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>(), "every event, once and in order");
        assert_eq!(job.result::<u32>().await.unwrap(), 1_000);
        assert_eq!(asked.load(Ordering::SeqCst), 2, "once for each token that was needed");
    });
}

/// A JSON Web Token of `alice` that expires soon.
fn short_jwt() -> Secret {
    let key = EncodingKey::from_secret(JWT_SECRET).unwrap();
    let claims = json!({"sub": "alice", "exp": get_current_timestamp() + 2});
    Secret::new(encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap())
}

#[test]
fn a_client_that_is_cut_after_its_jwt_has_expired_comes_back() {
    within(async {
        let verifier = || JwtVerifier::new(JwtKeys::secret(JWT_SECRET).unwrap()).leeway(Duration::ZERO);
        let server = Server::builder().verifier(verifier()).agent("counts", counts).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let last = Arc::new(Mutex::new(Secret::default()));
        let given = Arc::clone(&last);
        let source = TokenSource::new(move || {
            let token = short_jwt();
            *given.lock().unwrap() = token.clone();
            async move { Ok::<_, std::io::Error>(token) }
        });
        let (url, mut connections) = (listening.url().to_owned(), 0);
        let connector = move || {
            connections += 1;
            while connections == 2 && verifier().principal(last.lock().unwrap().expose()).is_ok() {
                std::thread::yield_now();
            }
            cut_websocket(url.clone(), if connections == 1 { 20_000 } else { usize::MAX })
        };
        let client = Client::over(connector, source).reconnect(quick()).connect().await.unwrap();
        let mut job = client.submit(&Submit::new("counts").input(&1_000)).await.unwrap();
        let mut seen = 0;
        while job.events().try_next().await.unwrap().is_some() {
            seen += 1;
        }
        assert_eq!(seen, 1_001, "the start and every number");
        assert_eq!(job.result::<u32>().await.unwrap(), 1_000);
    });
}

#[test]
fn a_source_without_a_newer_token_ends_the_session() {
    within(async {
        for source in [
            TokenSource::fixed(Secret::new("old")),
            TokenSource::new(|| async { Ok::<_, std::io::Error>(Secret::new("old")) }),
        ] {
            let valid = Valid::default();
            valid.only("old");
            let server = server(&valid);
            let listening = server.listen("127.0.0.1:0").await.unwrap();
            let (url, mut connections, withdrawn) = (listening.url().to_owned(), 0, valid.clone());
            let connector = move || {
                connections += 1;
                if connections == 2 {
                    withdrawn.only("new");
                }
                cut_websocket(url.clone(), if connections == 1 { 20_000 } else { usize::MAX })
            };
            let client = Client::over(connector, source).reconnect(quick()).connect().await.unwrap();
            let mut job = client.submit(&Submit::new("counts").input(&1_000)).await.unwrap();
            let end = job.outcome().await.unwrap_err();
            let SessionEnd::Closed(CloseReason::Refused(fault)) = &end else { panic!("{end}") };
            assert_eq!(fault.known(), Some(ErrorCode::Unauthenticated));
        }
    });
}

#[test]
fn a_source_that_fails_is_asked_again_and_its_error_is_reported() {
    within(async {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shown);
        let verifier = move |claim: Claim| {
            seen.lock().unwrap().push(claim.token.expose().to_owned());
            async move { if claim.token.expose() == "good" { Ok("alice".to_owned()) } else { Err(Rejection::Invalid) } }
        };
        let server = Server::builder().verifier(verifier).agent("counts", counts).build().unwrap();
        let mut calls = 0;
        let source = TokenSource::new(move || {
            calls += 1;
            let answer = if calls < 3 { Err(std::io::Error::other("no such file")) } else { Ok(Secret::new("good")) };
            async move { answer }
        });
        let client = Client::over(memory_connector(&server), source).reconnect(quick()).connect().await.unwrap();
        assert!(client.welcome().is_some());
        assert_eq!(*shown.lock().unwrap(), ["good"], "no connection is made without a token");

        let broken = TokenSource::new(|| async { Err::<Secret, _>(std::io::Error::other("no such file")) });
        let once = quick().connect_within(Duration::ZERO);
        let error = Client::over(memory_connector(&server), broken).reconnect(once).connect().await.unwrap_err();
        let ClientBuildError::Session(SessionEnd::Unreachable { last: ConnectError::Token(why), .. }) = &error else {
            panic!("{error}")
        };
        assert_eq!(why.to_string(), "no such file");
    });
}

#[test]
fn a_source_that_does_not_answer_is_given_up_in_time() {
    within(async {
        let source = TokenSource::new(std::future::pending::<std::io::Result<Secret>>);
        let once = quick().connect_within(Duration::ZERO);
        let client = Client::over(memory_connector(&server(&Valid::default())), source).reconnect(once);
        let error = client.connect_timeout(Duration::from_millis(20)).connect().await.unwrap_err();
        let ClientBuildError::Session(SessionEnd::Unreachable { last: ConnectError::TimedOut, .. }) = &error else {
            panic!("{error}")
        };
    });
}

#[test]
fn the_first_token_may_be_given_and_a_refused_one_is_renewed() {
    within(async {
        let valid = Valid::default();
        valid.only("good");
        let server = server(&valid);
        let source = TokenSource::new(|| async { Ok::<_, std::io::Error>(Secret::new("good")) });
        let source = source.starting_with(Secret::new("stale"));
        let client = Client::over(memory_connector(&server), source).reconnect(quick()).connect().await.unwrap();
        let answer: u32 = client.call("counts", &2).await.unwrap();
        assert_eq!(json!(answer), json!(2));
    });
}
