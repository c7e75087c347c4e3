//! The token service over HTTP (§1.2, §2.1).

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::http::Http;
use crate::site::{Site, builder, form, token, within};

#[tokio::test]
async fn a_token_is_verified_by_others_with_the_published_key() {
    within(async {
        let mut site = Site::start(builder().issuer("http://sts.example")).await;
        let keys = site.http.ask("GET", "/.well-known/jwks.json?zone_id=z1", &[], "").await;
        let keys: JwkSet = serde_json::from_value(keys.body).unwrap();
        let kid = jsonwebtoken::decode_header(&site.token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["http://sts.example"]);
        validation.set_issuer(&["http://sts.example"]);
        let read = jsonwebtoken::decode::<Value>(&site.token, &key, &validation).unwrap();
        assert_eq!((&read.claims["client_id"], &read.claims["use"]), (&json!("app-a"), &json!("ambient")));
    })
    .await;
}

#[tokio::test]
async fn requests_are_of_the_application_of_their_token() {
    within(async {
        let mut site = Site::start(builder()).await;
        let session = site.session(None).await;
        let other = token(&mut site.http, "app-b", "secret of b", "agent:lifecycle").await;
        let foreign = site.ask_as(&other, "DELETE", &format!("/agents/{session}"), &Value::Null).await;
        assert_eq!((foreign.status, foreign.body), (403, json!({"error": "application_ownership_required"})));
        let spawned = site.ask_as(&other, "POST", "/agents", &json!({"application_id": "app-a"})).await;
        assert_eq!(spawned.body, json!({"error": "application_ownership_required"}));
        for (token, code) in [("", "missing_token"), ("x.y.z", "invalid_token")] {
            let refused = site.ask_as(token, "GET", "/agents", &Value::Null).await;
            assert_eq!((refused.status, refused.body["error"].as_str()), (401, Some(code)));
        }
        let missing = site.http.ask("GET", "/zones/z1/agents", &[], "").await;
        assert_eq!((missing.status, missing.body), (401, json!({"error": "missing_token"})));
    })
    .await;
}

#[tokio::test]
async fn secrets_are_checked_and_scopes_granted() {
    within(async {
        let site = Site::start(builder()).await;
        let mut http = Http::connect(site.server.address()).await;
        for (form, status) in [
            (form("app-b", "secret of a", "agent:lifecycle"), 401),
            (form("app-c", "secret of b", "agent:lifecycle"), 401),
            (form("app-b", "secret of b", "coordinator.admin"), 403),
            ("grant_type=other".to_owned(), 400),
        ] {
            assert_eq!(http.ask("POST", "/oauth/2/token", &[], &form).await.status, status, "{form}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_service_says_that_it_is_there() {
    within(async {
        let mut site = Site::start(builder()).await;
        let health = site.http.ask("GET", "/health", &[], "").await;
        assert_eq!((health.status, health.body), (200, json!({"status": "ok"})));
        assert_eq!(site.http.ask("GET", "/.well-known/jwks.json?zone_id=z2", &[], "").await.status, 404);
        assert_eq!(site.http.ask("GET", "/v1/zones/z1/agents", &[], "").await.status, 401);
    })
    .await;
}
