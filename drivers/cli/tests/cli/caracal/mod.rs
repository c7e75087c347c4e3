//! `nuncio caracal`: a coordinator that is asked over a connection, and its clients.

mod clients;
mod headers;
mod log;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Serving, nuncio, run, stderr, stdout};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

fn coordinator(arguments: &[&str]) -> Serving {
    let mut command = nuncio(&["caracal", "coordinator", "--listen", "127.0.0.1:0", "--zone", "z1"]);
    command.args(arguments);
    Serving::of(command)
}

/// Sends a request on a connection of its own.
fn ask(serving: &Serving, method: &str, target: &str, token: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(serving.url.strip_prefix("http://").unwrap()).unwrap();
    let head =
        format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n");
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    let body = rest.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn exchange(serving: &Serving, application: &str, secret: &str) -> (u16, Value) {
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    let form = format!("grant_type={grant}&zone_id=z1&application_id={application}&client_secret={secret}");
    ask(serving, "POST", "/oauth/2/token", "", &form)
}

fn token(serving: &Serving, application: &str, secret: &str) -> String {
    exchange(serving, application, secret).1["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_coordinator_that_is_started_again_goes_on_with_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("caracal.db");
    let arguments = ["--application", "app-a=s3cret", "--store", store.to_str().unwrap()];
    let serving = coordinator(&arguments);
    let bearer = token(&serving, "app-a", "s3cret");
    let spawned = ask(&serving, "POST", "/zones/z1/agents", &bearer, r#"{"application_id":"app-a","kind":"instance"}"#);
    assert_eq!(spawned.0, 201, "{spawned:?}");
    let target = format!("/zones/z1/agents/{}", spawned.1["id"].as_str().unwrap());
    assert_eq!(fs::metadata(&store).unwrap().permissions().mode() & 0o777, 0o600);
    let other = run(&[
        "caracal",
        "coordinator",
        "--listen",
        "127.0.0.1:0",
        "--application",
        "a=b",
        "--store",
        store.to_str().unwrap(),
    ]);
    assert_eq!(other.status.code(), Some(2), "one coordinator at a time uses a file: {}", stderr(&other));
    assert_eq!(serving.stop("TERM").0, Some(0));

    let mut serving = coordinator(&arguments);
    assert!(serving.until("is ready").contains("with 1 session"));
    let shown = ask(&serving, "GET", &target, &bearer, "");
    assert_eq!((shown.0, &shown.1["status"]), (200, &json!("active")), "the token is still valid, too");
    assert_eq!(ask(&serving, "DELETE", &target, &bearer, "").0, 204);
    // A crash loses nothing that was answered.
    drop(serving);
    let serving = coordinator(&arguments);
    assert_eq!(ask(&serving, "GET", &target, &bearer, "").1["status"], "terminated");
}

#[test]
fn applications_come_from_options_a_file_and_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("applications");
    fs::write(&file, "# ours\napp-b=with=sign\n\n").unwrap();
    let mut command = nuncio(&["caracal", "coordinator", "--listen", "127.0.0.1:0", "--zone", "z1"]);
    command
        .args(["--application-file", file.to_str().unwrap()])
        .env("NUNCIO_CARACAL_APPLICATIONS", "app-c=one,app-d=two");
    let serving = Serving::of(command);
    for (application, secret) in [("app-b", "with=sign"), ("app-c", "one"), ("app-d", "two")] {
        assert_eq!(exchange(&serving, application, &secret.replace('=', "%3D")).0, 200, "{application}");
    }
    assert_eq!(exchange(&serving, "app-b", "other").0, 401);
}

#[test]
fn a_scope_has_to_be_granted() {
    let serving = coordinator(&["--application", "app-a=s3cret", "--grant", "app-a=coordinator.admin"]);
    for (scope, status) in [("coordinator.admin", 200), ("coordinator.delegate_broad", 403)] {
        let form = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&zone_id=z1&application_id=app-a\
             &client_secret=s3cret&scope={scope}"
        );
        assert_eq!(ask(&serving, "POST", "/oauth/2/token", "", &form).0, status, "{scope}");
    }
}

#[test]
fn the_mode_and_what_is_enforced_are_chosen() {
    let body = |parent: &str| json!({"application_id": "app-a", "parent_id": parent}).to_string();
    for (mode, id) in [("may", "id"), ("head", "agent_session_id")] {
        let serving = coordinator(&["--application", "app-a=s3cret", "--mode", mode, "--as-deployed"]);
        let bearer = token(&serving, "app-a", "s3cret");
        let root = ask(&serving, "POST", "/zones/z1/agents", &bearer, r#"{"application_id":"app-a"}"#);
        let root = root.1[id].as_str().unwrap().to_owned();
        assert_eq!(ask(&serving, "POST", "/zones/z1/agents", &bearer, &body(&root)).0, 201, "{mode}");
    }
}

#[test]
fn what_cannot_be_served_says_why_without_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("applications");
    fs::write(&file, "app-a=s3cret\ns3cret-alone\n").unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&[], "there is no application"),
        (&["--application", "s3cret-alone"], "write it as APP=SECRET"),
        (&["--application-file", file.to_str().unwrap()], "line 2 of"),
        (&["--application", "a=s3cret", "--grant", "b=coordinator.admin"], "not an application of this coordinator"),
        (&["--application", "a=s3cret", "--application", "a=s3cret"], "is there twice"),
    ];
    for (arguments, sentence) in cases {
        let mut command = nuncio(&["caracal", "coordinator", "--listen", "127.0.0.1:0"]);
        let output = command.args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = stderr(&output);
        assert!(text.contains(sentence), "{text}");
        assert!(
            arguments.first() == Some(&"--application") && arguments.len() == 2 || !text.contains("s3cret"),
            "{text}"
        );
    }
    let store = folder.path().join("caracal.db");
    let store = ["--application", "a=s3cret", "--store", store.to_str().unwrap()];
    let _serving = coordinator(&store);
    let output = run(&[&["caracal", "coordinator", "--listen", "127.0.0.1:0"][..], &store].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("is in use by another process; stop that process, whose id is"),
        "{}",
        stderr(&output)
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["caracal", "coordinator", "--application", "a=s3cret", "--listen", &address]);
    assert_eq!(output.status.code(), Some(6));
    assert!(stderr(&output).contains("cannot listen on"), "{}", stderr(&output));
}

/// A command of the application `name`, whose secret is `s3cret`.
fn client(serving: &Serving, name: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = nuncio(&["caracal"]);
    command.args(arguments).env("CARACAL_COORDINATOR_URL", &serving.url).env("CARACAL_ZONE_ID", "z1");
    command.env("CARACAL_APPLICATION_ID", name).env("CARACAL_APP_CLIENT_SECRET", "s3cret");
    command
}

/// Runs a command that succeeds, and returns what it prints on stdout.
fn printed(mut command: std::process::Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output).trim_end().to_owned()
}

const TWO: [&str; 6] = [
    "--application",
    "app-a=s3cret",
    "--application",
    "app-b=s3cret",
    "--grant",
    "app-a=coordinator.delegate_to:app-b",
];

#[test]
fn sessions_and_edges_are_opened_listed_and_ended() {
    for mode in ["may", "head"] {
        let serving = coordinator(&[&TWO[..], &["--mode", mode]].concat());
        let a = |arguments: &[&str]| client(&serving, "app-a", &[arguments, &["--mode", mode]].concat());
        let b = |arguments: &[&str]| client(&serving, "app-b", &[arguments, &["--mode", mode]].concat());
        let root = printed(a(&["spawn", "--ttl", "10m", "--metadata", r#"{"job": 7}"#]));
        let child: Value = serde_json::from_str(&printed(a(&["spawn", "--parent", &root, "--json"]))).unwrap();
        assert_eq!((&child["parent"], &child["kind"]), (&json!(root), &json!("instance")));
        let child = child["session"].as_str().unwrap().to_owned();
        let target = printed(b(&["spawn"]));

        let limits = ["--resource", "resource://r", "--ttl", "5m", "--json"];
        let scopes = ["--scope", "read", "--scope", "write", "--token-scope", "coordinator.delegate_to:app-b"];
        let ends = ["delegate", &child, &target, "--to-application", "app-b"];
        let edge: Value = serde_json::from_str(&printed(a(&[&ends[..], &scopes, &limits].concat()))).unwrap();
        assert_eq!(
            (&edge["from"], &edge["to"], &edge["scopes"]),
            (&json!(child), &json!(target), &json!(["read", "write"]))
        );
        let edge = edge["edge"].as_str().unwrap();

        let tree = printed(b(&["tree"]));
        let wanted = format!(
            "{root} app-a active\n  {child} app-a active\n{target} app-b active\n  <- read, write from {child} by {edge}, active"
        );
        assert!(tree.starts_with(&wanted), "{mode}: {tree}");
        let lines = printed(a(&["tree", "--json"]));
        let levels: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let levels: Vec<(&Value, &Value)> = levels.iter().map(|node| (&node["session"], &node["level"])).collect();
        assert_eq!(levels, [(&json!(root), &json!(0)), (&json!(child), &json!(1)), (&json!(target), &json!(0))]);
        let edges: Value = serde_json::from_str(&printed(a(&["list", "--edges", "--json"]))).unwrap();
        assert_eq!((&edges["edge"], &edges["from"], &edges["status"]), (&json!(edge), &json!(child), &json!("active")));
        assert!(printed(a(&["list", "--edges"])).lines().next().unwrap().starts_with("EDGE "));

        let revoked: Value = serde_json::from_str(&printed(a(&["revoke", edge, "--json"]))).unwrap();
        assert_eq!(revoked, json!({"edge": edge, "revoked_edges": 1, "terminated_sessions": 1}));
        let again = a(&["revoke", edge, "--json"]).output().unwrap();
        assert_eq!(again.status.code(), Some(5), "{}", stderr(&again));
        let error: Value = serde_json::from_str(stdout(&again)).unwrap();
        assert_eq!((&error["type"], &error["exit_code"]), (&json!("error"), &json!(5)));
        assert_eq!(printed(a(&["list"])).lines().count(), 3, "a heading and two sessions");
        assert_eq!(printed(a(&["list", "--all"])).lines().count(), 4);
        let rows = |options: &[&str]| {
            let lines = printed(a(&[&["list", "--json"], options].concat()));
            let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            rows.map(|row| row["session"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
        };
        assert_eq!(rows(&["--below", &root]), [&*child]);
        assert_eq!(rows(&["--status", "terminated"]), [&*target]);
        assert_eq!(rows(&["--of", "app-b"]), [""; 0], "it has ended");
        assert_eq!(rows(&["--of", "app-b", "--all"]), [&*target]);
        assert_eq!(rows(&["--limit", "1"]), [&*child], "the latest");
        let revoked = printed(a(&["list", "--edges", "--status", "revoked", "--below", &child, "--json"]));
        assert_eq!(serde_json::from_str::<Value>(&revoked).unwrap()["edge"], edge);
        assert_eq!(printed(a(&["terminate", &root])), "");
        assert_eq!(printed(a(&["list", "--json"])), "", "the child has ended with it");
        let ended: Value = serde_json::from_str(&printed(a(&["terminate", &child, "--json"]))).unwrap();
        assert_eq!(ended, json!({"session": child, "had_ended": true}));
        let again = a(&["terminate", &child]).output().unwrap();
        assert_eq!(stderr(&again), "the session had ended before\n");
        // A mistyped id is no session that has ended.
        let mistyped = format!("{child}x");
        for more in [&[][..], &["--json"]] {
            let unknown = a(&[&["terminate", &mistyped], more].concat()).output().unwrap();
            assert_eq!(unknown.status.code(), Some(5), "{mode}: {}", stderr(&unknown));
            let sentence = format!("the coordinator knows no session {mistyped}; check the id");
            assert!(stderr(&unknown).contains(&sentence), "{}", stderr(&unknown));
            assert_eq!(stdout(&unknown).contains(&sentence), !more.is_empty(), "{}", stdout(&unknown));
        }
    }
}

#[test]
fn metadata_may_be_in_a_file_and_has_to_be_an_object() {
    let serving = coordinator(&TWO);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        format!("@{}", folder.path().join(name).display())
    };
    let spawn = |metadata: &str| client(&serving, "app-a", &["spawn", "--metadata", metadata]);
    assert!(!printed(spawn(&file("object", r#"{"job": 7}"#))).is_empty());
    let output = spawn(&file("list", "[7]")).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
    assert!(stderr(&output).contains("--metadata is not a JSON object"), "{}", stderr(&output));
}

#[test]
fn a_token_is_printed_for_programs_that_need_one() {
    let serving = coordinator(&["--application", "app-a=s3cret"]);
    let token = printed(client(&serving, "app-a", &["token", "--ttl", "1h"]));
    assert_eq!(ask(&serving, "GET", "/zones/z1/agents", &token, "").0, 200);
    let issued: Value = serde_json::from_str(&printed(client(&serving, "app-a", &["token", "--json"]))).unwrap();
    assert!(issued["token"].is_string() && issued["expires_at"].is_string(), "{issued}");
    // It takes the place of the secret.
    let mut command = client(&serving, "app-a", &["spawn"]);
    command.env_remove("CARACAL_APP_CLIENT_SECRET").env("CARACAL_SUBJECT_TOKEN", &token);
    printed(command);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "s3cret\n").unwrap();
    let mut command = client(&serving, "app-a", &["token", "--secret-file", file.to_str().unwrap()]);
    printed({
        command.env("CARACAL_APP_CLIENT_SECRET", "other");
        command
    });
}

#[test]
fn a_revocation_stops_a_chain_of_calls() {
    let output = run(&["caracal", "demo"]);
    let said = stdout(&output);
    assert!(output.status.success(), "{said}\n{}", stderr(&output));
    for what in ["REFUSED", "receives a call by e2 after e1, hop 2", "by e3 after e2, hop 3", "REVOKES e2: 2 edges"] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert_eq!(
        said.lines().last(),
        Some("OK: calls answered 1, hops 3, refusals 3, edges revoked 2, sessions left 0.")
    );
    assert!(said.lines().count() <= 30 && said.lines().all(|line| line.chars().count() <= 120), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

/// Returns a server that accepts the mandates of an issuer for itself.
fn accepting(jwks: &str, issuer: &str, others: &[&str]) -> Serving {
    let mandates = ["--caracal-issuer", issuer, "--caracal-zone", "z1", "--caracal-audience", issuer];
    Serving::start(&[&["--caracal-jwks", jwks][..], &mandates, others].concat())
}

#[test]
fn mandates_are_tokens_of_clients_of_a_server() {
    let issuer = "https://sts.example";
    let start = |zone: &str| {
        let mut command = nuncio(&["caracal", "coordinator", "--listen", "127.0.0.1:0", "--zone", zone]);
        command.args(["--issuer", issuer, "--application", "app-a=one", "--application", "app-b=two"]);
        Serving::of(command)
    };
    let (coordinator, other) = (start("z1"), start("z2"));
    let token_of = |coordinator: &Serving, zone: &str, application: &str, secret: &str| {
        let mut command = nuncio(&["caracal", "token", "--coordinator", &coordinator.url, "--zone", zone]);
        command.args(["--application", application]).env("CARACAL_APP_CLIENT_SECRET", secret);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    };
    let jwks = format!("{}/.well-known/jwks.json", coordinator.url);
    let serving = accepting(&jwks, issuer, &["--operator", "caracal:z1/app-b"]);

    let token = token_of(&coordinator, "z1", "app-a", "one");
    let output = serving.submit(&token, &["echo", "--input", "1"]);
    assert!(output.status.success() && stdout(&output).contains('1'), "{}", stderr(&output));
    // An operator sees the jobs of others by the principal that a mandate has.
    let operator = token_of(&coordinator, "z1", "app-b", "two");
    let jobs = run(&["jobs", "--url", &serving.url, "--token", &operator, "--json"]);
    assert!(stdout(&jobs).contains("echo"), "{} {}", stdout(&jobs), stderr(&jobs));

    let mut forged = token.clone();
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    for (token, sentence) in [
        (token_of(&other, "z2", "app-a", "one"), "the mandate is not signed by a key of the zone"),
        (forged, "the signature of the mandate is not valid"),
        ("garbage".to_owned(), "the bearer token is not a Caracal mandate"),
    ] {
        let refused = serving.submit(&token, &["echo"]);
        assert_eq!(refused.status.code(), Some(5), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(sentence), "{}", stderr(&refused));
        assert!(!stderr(&refused).contains(&token), "a token is never shown");
    }
}

/// Publishes the public key of a pair as `k-1` of the zone `z1`. Returns the URL.
fn published(pair: &rcgen::KeyPair) -> String {
    let point = rcgen::PublicKeyData::der_bytes(pair).to_vec();
    let [x, y] = [&point[1..33], &point[33..]].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    let keys =
        json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k-1", "x": x, "y": y}]}).to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = BufReader::new(&stream).lines().map(Result::unwrap);
            assert_eq!(head.next().unwrap(), "GET /.well-known/jwks.json?zone_id=z1 HTTP/1.1");
            assert!(head.any(|line| line.is_empty()), "the request has an end");
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", keys.len());
            write!(stream, "{head}{keys}").unwrap();
        }
    });
    url
}

#[test]
fn a_mandate_that_is_not_valid_now_and_here_is_refused_with_the_reason() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let revoked = folder.path().join("revoked");
    fs::write(&revoked, "# sessions\ns-gone\n").unwrap();
    let options = ["--caracal-scope", "agents:submit", "--caracal-revoked", revoked.to_str().unwrap()];
    let serving = accepting(&published(&pair), "https://sts", &options);
    let key = jsonwebtoken::EncodingKey::from_ec_der(pair.serialized_der());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let token = |changed: &str, value: Value| {
        let mut claims = json!({
            "iss": "https://sts", "aud": "https://sts", "sub": "app-a", "client_id": "app-a", "zone_id": "z1", "sid": "app-a",
            "exp": now + 900, "iat": now, "jti": "j-1", "use": "resource", "scope": "agents:submit agents:list",
        });
        claims[changed] = value;
        let header = jsonwebtoken::Header {
            kid: Some("k-1".to_owned()),
            ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    let output = serving.submit(&token("jti", json!("j-2")), &["echo"]);
    assert!(output.status.success(), "{}", stderr(&output));
    for (changed, value, sentence) in [
        ("exp", json!(now - 120), "the mandate has expired"),
        ("zone_id", json!("z2"), "the mandate is for another zone"),
        ("aud", json!("https://other"), "the mandate is for another audience"),
        ("scope", json!("agents:list"), "the mandate lacks a scope"),
        ("agent_session_id", json!("s-gone"), "the mandate was revoked"),
    ] {
        let token = token(changed, value);
        let refused = serving.submit(&token, &["echo"]);
        assert_eq!(refused.status.code(), Some(5), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(sentence), "{}", stderr(&refused));
        assert!(!stderr(&refused).contains(&token), "a token is never shown");
    }

    // What is revoked later is refused from then on.
    fs::write(&revoked, "s-gone\nj-2\n").unwrap();
    let refused = serving.submit(&token("jti", json!("j-2")), &["echo"]);
    assert!(stderr(&refused).contains("the mandate was revoked"), "{}", stderr(&refused));
    assert!(serving.submit(&token("jti", json!("j-3")), &["echo"]).status.success());
}
