//! Where tokens come from, and when they are replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::caracal::http_types::HeaderMap;
use super::caracal::{BearerToken, CallError, ConfigError, InvalidHeader, Secret, TokenFault, TokenSource};
use super::support::{Server, builder, coordinator_answer, reply, token};
use crate::on::within;

/// A coordinator that accepts these tokens alone.
fn strict(accepted: &'static [&'static str]) -> Server {
    let (sessions, edges) = (AtomicUsize::new(0), AtomicUsize::new(0));
    Server::start(move |_, request| {
        let authorization = request.header("authorization").unwrap_or_default();
        if accepted.iter().any(|token| authorization == format!("Bearer {token}")) {
            coordinator_answer(&sessions, &edges, request)
        } else {
            reply(401, r#"{"error":"invalid_token"}"#)
        }
    })
}

/// Returns a source of the tokens `t-1`, `t-2`, …, and how many of them were asked for.
fn counting() -> (TokenSource, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let source = TokenSource::new(move || {
        let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            futures_lite::future::yield_now().await;
            BearerToken::new(&format!("t-{number}"))
        }
    });
    (source, count)
}

#[test]
fn many_calls_ask_for_one_token() {
    within(async {
        let coordinator = strict(&["t-1"]);
        let (source, count) = counting();
        let caracal = builder(&coordinator.url()).token(source).build().unwrap();
        let scopes: Vec<_> = (0..10).map(|_| smol::spawn(caracal.spawn().into_future())).collect();
        for scope in scopes {
            scope.await.unwrap().leave();
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_refused_token_is_replaced_once_and_by_the_scope_too() {
    within(async {
        let coordinator = strict(&["t-2"]);
        let (source, count) = counting();
        let caracal = builder(&coordinator.url()).token(source).build().unwrap();
        let scope = caracal.spawn().await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2);
        let headers = HeaderMap::from(scope.context().run(caracal.headers()).await.unwrap());
        assert_eq!(headers["authorization"], "Bearer t-2");
        assert!(headers["authorization"].is_sensitive());
        scope.close().await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn calls_of_an_open_session_have_the_latest_token_and_each_its_own_span() {
    within(async {
        let (latest, sessions, edges) = (Arc::new(AtomicUsize::new(1)), AtomicUsize::new(0), AtomicUsize::new(0));
        let accepted = Arc::clone(&latest);
        let coordinator = Server::start(move |_, request| {
            let accepted = format!("Bearer t-{}", accepted.load(Ordering::Relaxed));
            if request.header("authorization") == Some(&*accepted) {
                coordinator_answer(&sessions, &edges, request)
            } else {
                reply(401, r#"{"error":"invalid_token"}"#)
            }
        });
        let caracal = builder(&coordinator.url()).token(counting().0).build().unwrap();
        let scope = caracal.spawn().await.unwrap();
        let mut traces = Vec::new();
        for number in [1, 2, 3] {
            latest.store(number, Ordering::Relaxed);
            caracal.spawn().await.unwrap().leave();
            for _ in 0..2 {
                let headers = HeaderMap::from(scope.context().run(caracal.headers()).await.unwrap());
                assert_eq!(headers["authorization"], format!("Bearer t-{number}"));
                assert!(headers["authorization"].is_sensitive());
                traces.push(headers["traceparent"].to_str().unwrap().to_owned());
            }
        }
        assert!(traces.iter().all(|trace| trace[..36] == traces[0][..36]), "one trace: {traces:?}");
        traces.sort_unstable();
        traces.dedup();
        assert_eq!(traces.len(), 6, "a span for each call");
        scope.leave();
    });
}

#[test]
fn a_fixed_token_that_is_refused_is_named() {
    within(async {
        let coordinator = strict(&[]);
        let caracal = builder(&coordinator.url()).token(TokenSource::fixed(token("old"))).build().unwrap();
        let refused = caracal.spawn().await.unwrap_err();
        assert_eq!(refused, CallError::NoToken(TokenFault::Fixed));
        assert!(!refused.to_string().contains("old"));
    });
}

#[test]
fn a_source_that_fails_or_panics_is_named() {
    within(async {
        let coordinator = Server::coordinator();
        let fails = TokenSource::new(|| async { Err::<BearerToken, _>("the vault is sealed") });
        let failed = builder(&coordinator.url()).token(fails).build().unwrap().spawn().await.unwrap_err();
        assert_eq!(failed, CallError::NoToken(TokenFault::Source("the vault is sealed".to_owned())));
        let panics = TokenSource::new(|| async { if true { panic!("boom") } else { Err(InvalidHeader::Blank) } });
        let failed = builder(&coordinator.url()).token(panics).build().unwrap().spawn().await.unwrap_err();
        assert_eq!(failed, CallError::NoToken(TokenFault::Panicked));
        assert!(coordinator.seen().is_empty());
    });
}

#[test]
fn a_source_that_does_not_answer_is_given_up() {
    within(async {
        let hangs = TokenSource::new(std::future::pending::<Result<BearerToken, InvalidHeader>>);
        let coordinator = Server::coordinator();
        let caracal = builder(&coordinator.url()).token(hangs).token_timeout(Duration::from_millis(1)).build().unwrap();
        assert_eq!(caracal.spawn().await.unwrap_err(), CallError::NoToken(TokenFault::Late));
    });
}

#[test]
fn a_client_secret_is_exchanged_for_a_token() {
    within(async {
        let service = Server::start(|_, _| reply(200, r#"{"access_token":"issued","expires_in":900}"#));
        let coordinator = strict(&["issued"]);
        let source = TokenSource::secret(&service.url(), Secret::new("s&cret")).resources(["resource://a"]);
        assert!(!format!("{source:?}").contains("cret\""));
        let caracal = builder(&coordinator.url()).token(source).build().unwrap();
        caracal.spawn().run(async {}).await.unwrap();
        let [exchange] = <[_; 1]>::try_from(service.seen()).unwrap();
        assert_eq!(exchange.line, "POST /oauth/2/token");
        assert_eq!(exchange.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(exchange.header("authorization"), None);
        assert_eq!(
            exchange.body,
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&zone_id=z1&application_id=app-a\
             &client_secret=s%26cret&scope=agent%3Alifecycle&resource=resource%3A%2F%2Fa"
        );
    });
}

#[test]
fn a_refused_secret_is_named_without_the_secret() {
    within(async {
        let service = Server::start(|_, _| reply(401, r#"{"error":"invalid_client"}"#));
        let source = TokenSource::secret(&service.url(), Secret::new("s3cret"));
        let coordinator = Server::coordinator();
        let caracal = builder(&coordinator.url()).token(source).build().unwrap();
        let failed = caracal.spawn().await.unwrap_err();
        assert!(matches!(failed, CallError::NoToken(TokenFault::Exchange(_))), "{failed:?}");
        assert!(failed.to_string().contains("invalid_client") && !failed.to_string().contains("s3cret"), "{failed}");
    });
}

/// Uses a first token that lives for some seconds until the second one is used. Returns the tokens that the coordinator has
/// seen, in their order.
async fn used_until_replaced(seconds: u64) -> Vec<Option<String>> {
    let issued = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&issued);
    let service = Server::start(move |_, _| {
        let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
        let lifetime = if number == 1 { seconds } else { 3_600 };
        reply(200, format!(r#"{{"access_token":"t-{number}","expires_in":{lifetime}}}"#))
    });
    let coordinator = strict(&["t-1", "t-2"]);
    let source = TokenSource::secret(&service.url(), Secret::new("s"));
    let caracal = builder(&coordinator.url()).token(source).build().unwrap();
    let scope = caracal.spawn().await.unwrap();
    let mut last = String::new();
    while last != "Bearer t-2" {
        let headers = HeaderMap::from(scope.context().run(caracal.headers()).await.unwrap());
        last = headers["authorization"].to_str().unwrap().to_owned();
        assert!(last == "Bearer t-1" || last == "Bearer t-2", "{last}");
        // The calls of the machine change to the next token, too.
        caracal.inbound(scope.session().clone()).await.unwrap();
    }
    caracal.inbound(scope.session().clone()).await.unwrap();
    scope.close().await.unwrap();
    assert_eq!(issued.load(Ordering::Relaxed), 2, "one token follows the other, in one flight");
    coordinator.seen().iter().map(|seen| seen.header("authorization").map(str::to_owned)).collect()
}

#[test]
fn a_token_is_replaced_before_it_expires() {
    within(async {
        // Half of a lifetime that is shorter than twice the margin is within the margin. On a machine that is busy, a short
        // one may be over before the token is used.
        for seconds in [2, 8, 32] {
            let used = used_until_replaced(seconds).await;
            assert_eq!(used.last().unwrap().as_deref(), Some("Bearer t-2"));
            if used.first().unwrap().as_deref() == Some("Bearer t-1") {
                return;
            }
        }
        panic!("the first token is never used");
    });
}

/// Asks for headers until a token that lives for some seconds is to be replaced, while the source does not answer any more.
/// Returns what the next headers have.
async fn used_while_replaced(seconds: u64) -> Result<String, CallError> {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{}}}"#, now + seconds));
    let jwt = format!("e30.{claims}.sig");
    let source = TokenSource::new(move || {
        let (is_first, jwt) = (counted.fetch_add(1, Ordering::SeqCst) == 0, jwt.clone());
        async move { if is_first { BearerToken::new(&jwt) } else { std::future::pending().await } }
    });
    let caracal =
        builder("http://127.0.0.1:1").token(source).token_timeout(Duration::from_secs(seconds)).build().unwrap();
    while asked.load(Ordering::SeqCst) < 2 {
        caracal.headers().await?;
    }
    Ok(caracal.headers().await?.get("authorization").unwrap().to_owned())
}

#[test]
fn a_token_is_used_while_the_next_one_is_awaited() {
    within(async {
        // On a machine that is busy, a short lifetime may be over before the token is used again.
        for seconds in [3, 30] {
            if used_while_replaced(seconds).await.is_ok_and(|used| used.starts_with("Bearer e30.")) {
                return;
            }
        }
        panic!("the calls wait for the next token");
    });
}

#[test]
fn the_debug_form_of_a_builder_has_no_secret() {
    let source = TokenSource::secret("https://sts.example", Secret::new("s3cret"));
    let shown = format!("{:?}", builder("https://coordinator.example").token(source));
    for named in ["CaracalBuilder", "coordinator.example", "z1", "app-a"] {
        assert!(shown.contains(named), "{named}: {shown}");
    }
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_token_is_used_again_while_it_is_far_from_its_expiry() {
    within(async {
        let service = Server::start(|_, _| reply(200, r#"{"access_token":"t-1","expires_in":3600}"#));
        let source = TokenSource::secret(&service.url(), Secret::new("s"));
        let coordinator = Server::coordinator();
        let caracal = builder(&coordinator.url()).token(source).build().unwrap();
        for _ in 0..3 {
            assert_eq!(caracal.headers().await.unwrap().get("authorization"), Some("Bearer t-1"));
        }
        assert_eq!(service.seen().len(), 1);
    });
}

#[test]
fn a_token_that_has_expired_is_refused_at_the_start() {
    // {"exp":1}
    let expired = token("e30.eyJleHAiOjF9.sig");
    let built = builder("http://127.0.0.1:1").token(TokenSource::fixed(expired)).build();
    assert!(matches!(built, Err(ConfigError::ExpiredToken)), "{built:?}");
}
