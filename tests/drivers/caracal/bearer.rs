//! Mandates as the bearer tokens of an ARCP server.

use nuncio_shared::auth::{StaticTokens, Verifier as _};
use serde_json::{Value, json};

use super::arcp::{Client, JobContext, Reconnect, Server, Submit};
use super::caracal::{MandateIssuer, MandateVerifier, ZoneId};
use super::issuer::Issuer;
use super::support::{Answer, Server as HttpServer};
use crate::on::within;

fn verifier(url: &str) -> MandateVerifier {
    let zone = ZoneId::new("z1").unwrap();
    let verifier = MandateVerifier::new(&MandateIssuer::new(url, "https://sts", zone, "service")).unwrap();
    verifier.revoked(|mandate| mandate.anchors().any(|id| id == "gone"))
}

fn server(verifier: impl nuncio_shared::auth::Verifier) -> Server {
    let whoami = |_: Value, ctx: JobContext| async move { Ok(ctx.principal().to_owned()) };
    Server::builder().verifier(verifier).agent("whoami", whoami).build().unwrap()
}

/// Returns the principal that a server knows the bearer of a token by, or what it says against the token.
async fn admitted(server: &Server, token: &str) -> Result<String, String> {
    let client = Client::over(server.memory_connector(), token).reconnect(Reconnect::never()).connect().await;
    let client = client.map_err(|error| error.to_string())?;
    let mut job = client.submit(&Submit::new("whoami")).await.unwrap();
    Ok(job.result().await.unwrap())
}

#[test]
fn the_zone_and_application_of_a_mandate_are_the_principal() {
    within(async {
        let issuer = Issuer::start();
        let server = server(verifier(&issuer.server.url()));
        let admitted = |changes: Value| {
            let token = issuer.token("k-1", &changes);
            let server = &server;
            async move { admitted(server, &token).await }
        };
        assert_eq!(admitted(json!({})).await.unwrap(), "caracal:z1/app-b");
        // Whom the application acts for, by which session and with which scopes, does not make it another principal.
        let other = json!({"sub": "user-2", "agent_session_id": "s-1", "scope": "", "use": "ambient"});
        assert_eq!(admitted(other).await.unwrap(), "caracal:z1/app-b");
        assert_eq!(admitted(json!({"client_id": "z1/app-b %"})).await.unwrap(), "caracal:z1/z1%2Fapp-b%20%25");
    });
}

#[test]
fn a_mandate_that_is_refused_is_refused_with_its_reason_and_never_repeated() {
    within(async {
        let (issuer, other) = (Issuer::start(), Issuer::start());
        let server = server(verifier(&format!("{}/.well-known/jwks.json", issuer.server.url())));
        for (token, sentence) in [
            (issuer.token("k-1", &json!({"exp": 1})), "the mandate has expired"),
            (issuer.token("k-1", &json!({"zone_id": "z2"})), "the mandate is for another zone"),
            (issuer.token("k-1", &json!({"aud": "other"})), "the mandate is for another audience"),
            (issuer.token("k-1", &json!({"iss": "https://other"})), "the mandate is from another issuer"),
            (issuer.token("k-1", &json!({"use": "session"})), "the mandate is for another use"),
            (issuer.token("k-1", &json!({"delegation_edge_id": "gone"})), "the mandate was revoked"),
            (issuer.token("k-1", &json!({"sid": null})), "a claim of the mandate is missing"),
            (issuer.token("k-2", &json!({})), "the mandate is not signed by a key of the zone"),
            (other.token("k-1", &json!({})), "the signature of the mandate is not valid"),
            ("garbage".to_owned(), "the bearer token is not a Caracal mandate"),
            ("eyJhbGciOiJub25lIiwia2lkIjoiay0xIn0.e30.".to_owned(), "the bearer token is not a Caracal mandate"),
            (format!("{}x", "a".repeat(9_000)), "the bearer token is not a Caracal mandate"),
        ] {
            let error = admitted(&server, &token).await.unwrap_err();
            assert!(error.contains("UNAUTHENTICATED") && error.contains(sentence), "{sentence}: {error}");
            assert!(!error.contains(&token), "a token is never repeated");
        }
        assert_eq!(issuer.server.seen().len(), 1, "the keys are fetched once");
    });
}

#[test]
fn other_clients_are_admitted_while_the_keys_of_mandates_are_fetched() {
    within(async {
        let (silent, issuer) = (HttpServer::start(|_, _| Answer::Hang), Issuer::start());
        let tokens = StaticTokens::new().with("tok-alice", "alice");
        let server = server(tokens.or(verifier(&silent.url())));
        let token = issuer.token("k-1", &json!({}));
        let waits = admitted(&server, &token);
        let others = async {
            silent.await_requests(1).await;
            for _ in 0..3 {
                assert_eq!(admitted(&server, "tok-alice").await.unwrap(), "alice");
            }
            Err("none waits".to_owned())
        };
        assert_eq!(futures_lite::future::or(waits, others).await.unwrap_err(), "none waits");
    });
}

#[test]
fn without_the_keys_a_client_is_told_to_try_again() {
    within(async {
        let (broken, issuer) = (HttpServer::start(|_, _| Answer::Close), Issuer::start());
        let server = server(verifier(&broken.url()));
        let error = admitted(&server, &issuer.token("k-1", &json!({}))).await.unwrap_err();
        assert!(error.contains("INTERNAL_ERROR"), "{error}");
    });
}
