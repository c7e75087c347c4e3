//! The token service (§1.2, §2.1, §2.6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nuncio_core::caracal::{
    ApplicationId, CredentialFault, Generation, Principal, Registration, Reply, Resource, Secret, TokenExchange,
    TokenService, TokenServiceConfig,
};
use nuncio_core::time::Time;
use serde_json::Value;

use super::support::{START, answer, zone};

const URL: &str = "http://sts.example";

fn registration(application: &str, secret: &str, scopes: &[&str]) -> Registration {
    Registration {
        zone: zone(),
        application: ApplicationId::new(application).unwrap(),
        secret: Secret::new(secret),
        scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
    }
}

fn config(generation: Generation) -> TokenServiceConfig {
    let mut config = TokenServiceConfig::new(URL, "key-1");
    config.generation = generation;
    config.applications = vec![
        registration("app-a", "s3cret & more", &["coordinator.delegate_to:app-b"]),
        registration("app-b", "other", &[]),
    ];
    config
}

fn service(generation: Generation) -> TokenService {
    TokenService::new(config(generation), [3; 32])
}

/// What takes the place of a signature of these bytes: a checksum.
fn signature(input: &[u8]) -> Vec<u8> {
    let sum =
        input.iter().fold(7_u64, |sum, byte| sum.rotate_left(5).wrapping_mul(0x9e37_79b9).wrapping_add((*byte).into()));
    sum.to_be_bytes().repeat(8)
}

fn form(application: &str, secret: &str, scope: &str) -> String {
    let exchange = TokenExchange {
        zone: zone(),
        application: ApplicationId::new(application).unwrap(),
        secret: Secret::new(secret),
        scope: scope.into(),
        resources: vec!["resource://a".into()],
        ttl: None,
    };
    exchange.request().body().unwrap().to_owned()
}

fn exchange(service: &mut TokenService, now: Time, form: &str) -> Reply {
    match service.exchange(now, form.as_bytes()) {
        Ok(unsigned) => {
            let signature = signature(unsigned.signing_input());
            unsigned.issued(&signature)
        }
        Err(refused) => refused,
    }
}

fn token(reply: &Reply) -> String {
    answer(reply).1["access_token"].as_str().unwrap().to_owned()
}

fn bearer(service: &TokenService, now: Time, authorization: &[&str]) -> Result<Principal, CredentialFault> {
    service.authenticate(now, authorization.iter().copied(), |input, given| signature(input) == given)
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn s2_6_a_token_says_who_its_bearer_is_until_when_and_for_what() {
    for (generation, purpose) in [(Generation::May, "ambient"), (Generation::Head, "session")] {
        let mut service = service(generation);
        let scope = "agent:lifecycle coordinator.delegate_to:app-b";
        let reply = exchange(&mut service, START, &form("app-a", "s3cret & more", scope));
        let body = answer(&reply).1;
        assert_eq!((reply.status(), &body["token_type"], &body["expires_in"]), (200, &"Bearer".into(), &900.into()));
        assert_eq!(body["scope"], scope);
        assert_eq!(body["target_resources"], serde_json::json!(["resource://a"]));
        assert!(
            reply.headers().iter().any(|field| field.name() == "cache-control"),
            "a token is not cached on its way"
        );

        let claims = claims(&token(&reply));
        assert_eq!((&claims["use"], &claims["iss"], &claims["aud"][0]), (&purpose.into(), &URL.into(), &URL.into()));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 900);

        let authorization = format!("Bearer {}", token(&reply));
        let caller = bearer(&service, START, &[&authorization]).unwrap();
        assert_eq!((caller.zone, caller.application.as_str()), (zone(), "app-a"));
        assert_eq!(caller.scopes.join(" "), scope);
        // 15 minutes, and a minute by which clocks may differ.
        assert!(bearer(&service, START.plus_secs(959), &[&authorization]).is_ok());
        assert_eq!(bearer(&service, START.plus_secs(960), &[&authorization]), Err(CredentialFault::Invalid));
    }
}

#[test]
fn a_wrong_secret_and_an_unknown_application_have_the_same_answer() {
    let mut service = service(Generation::May);
    for (application, secret) in [("app-a", "other"), ("app-a", "s3cret"), ("app-x", "s3cret & more"), ("app-x", "x")] {
        let (status, body) = answer(&exchange(&mut service, START, &form(application, secret, "agent:lifecycle")));
        assert_eq!((status, &body["error"]), (401, &"access_denied".into()));
        let sentence = body["error_description"].as_str().unwrap();
        assert_eq!(sentence, "the application is unknown, or the secret is wrong");
    }
    let empty = form("app-a", "x", "agent:lifecycle").replace("client_secret=x", "client_secret=");
    assert_eq!(exchange(&mut service, START, &empty).status(), 400, "nothing is not a secret");
}

#[test]
fn scopes_have_to_be_granted() {
    let mut service = service(Generation::May);
    for scope in ["coordinator.admin", "agent:lifecycle coordinator.admin", "coordinator.delegate_to:app-c"] {
        let (status, body) = answer(&exchange(&mut service, START, &form("app-a", "s3cret & more", scope)));
        assert_eq!((status, &body["error"]), (403, &"scope_insufficient".into()), "{scope}");
    }
    let none = exchange(&mut service, START, &form("app-b", "other", ""));
    assert_eq!(answer(&none).1["scope"], "agent:lifecycle", "without a scope it is that of a coordinator");
}

#[test]
fn s2_6_a_mandate_is_for_its_resources_and_not_for_the_coordinator() {
    for (generation, purpose) in [(Generation::May, "per_call"), (Generation::Head, "resource")] {
        let mut config = config(generation);
        config.applications[0].scopes.push("payment:read".into());
        let mut service = TokenService::new(config, [3; 32]);
        let reply = exchange(&mut service, START, &form("app-a", "s3cret & more", "payment:read"));
        let claims = claims(&token(&reply));
        let resources = serde_json::json!(["resource://a"]);
        assert_eq!((&claims["aud"], &claims["target"], &claims["use"]), (&resources, &resources, &purpose.into()));
        assert_eq!((&claims["scope"], &claims["client_id"]), (&"payment:read".into(), &"app-a".into()));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 900);
        let authorization = format!("Bearer {}", token(&reply));
        assert_eq!(bearer(&service, START, &[&authorization]), Err(CredentialFault::Invalid));
        let long = form("app-a", "s3cret & more", "payment:read") + "&ttl_seconds=3600";
        assert_eq!(answer(&exchange(&mut service, START, &long)).1["expires_in"], 900, "it is at most 15 minutes");
    }
}

#[test]
fn a_mandate_says_nothing_that_was_not_verified() {
    let mut config = config(Generation::May);
    config.applications[0].scopes.extend(["payment:read".into(), "payment:write".into()]);
    config.resources = Some(vec![Resource {
        id: "resource://a".into(),
        application: ApplicationId::new("app-b").unwrap(),
        scopes: vec!["payment:read".into()],
    }]);
    let mut service = TokenService::new(config, [3; 32]);
    let asked = |scope: &str, more: &str| form("app-a", "s3cret & more", scope) + more;
    for (form, status, code) in [
        (asked("payment:refund", ""), 403, "scope_insufficient"),
        (asked("payment:write", ""), 400, "invalid_target"),
        (asked("payment:read", "&resource=resource%3A%2F%2Fb"), 400, "invalid_target"),
        (asked("payment:read", "&agent_session_id=s-1"), 400, "invalid_request"),
        (asked("payment:read", "&delegation_edge_id=e-1"), 400, "invalid_request"),
        (asked("payment:read", "&subject_token=t"), 400, "invalid_request"),
        (form("app-b", "other", "payment:read"), 403, "scope_insufficient"),
    ] {
        let (got, body) = answer(&exchange(&mut service, START, &form));
        assert_eq!((got, &body["error"]), (status, &code.into()), "{form}");
    }
    assert_eq!(exchange(&mut service, START, &asked("payment:read", "")).status(), 200);
}

#[test]
fn what_an_application_has_lost_is_not_in_its_tokens_any_more() {
    let mut before = service(Generation::May);
    let scope = "agent:lifecycle coordinator.delegate_to:app-b";
    let reply = exchange(&mut before, START, &form("app-a", "s3cret & more", scope));
    let authorization = format!("Bearer {}", token(&reply));
    let mut less = config(Generation::May);
    less.applications[0].scopes.clear();
    let caller = bearer(&TokenService::new(less.clone(), [4; 32]), START, &[&authorization]).unwrap();
    assert_eq!(caller.scopes.join(" "), "agent:lifecycle");
    less.applications.remove(0);
    let gone = bearer(&TokenService::new(less, [4; 32]), START, &[&authorization]);
    assert_eq!(gone, Err(CredentialFault::Revoked));
}

#[test]
fn s2_1_only_a_signed_token_of_this_service_is_believed() {
    let mut service = service(Generation::May);
    let reply = exchange(&mut service, START, &form("app-a", "s3cret & more", "agent:lifecycle"));
    let token = token(&reply);
    let authorization = format!("Bearer {token}");
    assert!(bearer(&service, START, &[&authorization]).is_ok());
    let [header, body, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let other = URL_SAFE_NO_PAD
        .encode(String::from_utf8(URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap().replace("\"app-a\"", "\"app-b\""));
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"key-1"}"#);
    let key = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"key-2"}"#);
    let long = format!("Bearer {token}{}", "A".repeat(4_096));
    for wrong in [
        format!("Bearer {header}.{other}.{signature}"),
        format!("Bearer {header}.{body}."),
        format!("Bearer {none}.{body}.{signature}"),
        format!("Bearer {key}.{body}.{signature}"),
        format!("Bearer {body}.{signature}"),
        format!("Bearer {token}.{signature}"),
        "Bearer ".to_owned(),
        long,
    ] {
        assert_eq!(bearer(&service, START, &[&wrong]), Err(CredentialFault::Invalid), "{wrong}");
    }
    for missing in [vec![], vec!["Basic YTpi"], vec!["bearer x"]] {
        assert_eq!(bearer(&service, START, &missing), Err(CredentialFault::Missing), "{missing:?}");
    }
    assert_eq!(bearer(&service, START, &[&authorization, &authorization]), Err(CredentialFault::Invalid));
    // It is neither that of another generation, nor that of another issuer.
    let mut foreign = config(Generation::May);
    foreign.issuer = "http://other.example".into();
    assert_eq!(bearer(&TokenService::new(foreign, [3; 32]), START, &[&authorization]), Err(CredentialFault::Invalid));
    let head = TokenService::new(config(Generation::Head), [3; 32]);
    assert_eq!(bearer(&head, START, &[&authorization]), Err(CredentialFault::Invalid));
}

#[test]
fn a_form_that_cannot_be_read_is_refused_with_a_sentence() {
    let mut service = service(Generation::May);
    let good = form("app-a", "s3cret & more", "agent:lifecycle");
    let resources: Vec<String> = (0..70).map(|number| format!("&resource=r{number}")).collect();
    let many = format!("{good}{}", resources.concat());
    for (form, sentence) in [
        (good.replace("grant_type", "grant"), "the field grant_type is missing"),
        (good.replace("token-exchange", "other"), "grant_type has to be that of a token exchange"),
        (format!("{good}&zone_id=z2"), "the field zone_id is repeated"),
        (format!("{good}&ttl_seconds=soon"), "ttl_seconds has to be a number of seconds"),
        (format!("{good}&x=%ff"), "the request is not a form in UTF-8"),
        (
            format!("{good}&subject_token=x"),
            "this token service exchanges client secrets only, for tokens without session and edge",
        ),
        (many, "there are too many scopes or resources, or one is too long"),
    ] {
        let (status, body) = answer(&exchange(&mut service, START, &form));
        assert_eq!((status, body["error_description"].as_str().unwrap()), (400, sentence));
    }
    assert_eq!(answer(&exchange(&mut service, START, &format!("{good}&ttl_seconds=30"))).1["expires_in"], 30);
    assert_eq!(answer(&exchange(&mut service, START, &format!("{good}&ttl_seconds=99999"))).1["expires_in"], 3600);
}

/// B15: the SDK 0.1.1 asks for the keys without a zone, and the service of that time answers 400.
#[test]
fn the_public_keys_are_shown_with_and_without_a_zone() {
    let service = service(Generation::May);
    for query in ["", "zone_id=z1"] {
        let (status, body) = answer(&service.public_keys(query, &[1; 32], &[2; 32]));
        let key = &body["keys"][0];
        assert_eq!((status, &key["kid"], &key["crv"]), (200, &"key-1".into(), &"P-256".into()), "{query}");
        assert_eq!(key["x"], URL_SAFE_NO_PAD.encode([1; 32]));
    }
    assert_eq!(service.public_keys("zone_id=z2", &[1; 32], &[2; 32]).status(), 404);
}

#[test]
fn neither_secret_nor_token_is_printed() {
    let mut service = service(Generation::May);
    let form = form("app-a", "s3cret & more", "agent:lifecycle");
    let unsigned = service.exchange(START, form.as_bytes()).unwrap();
    let shown = format!("{service:?} {unsigned:?} {:?}", exchange(&mut service.clone(), START, &form));
    assert!(!shown.contains("s3cret") && !shown.contains("eyJ"), "{shown}");
}
