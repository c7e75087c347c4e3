#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]

use std::collections::BTreeMap;

use super::*;

const NEEDED: [(&str, &str); 4] =
    [(COORDINATOR_URL, "http://localhost:4000"), (ZONE_ID, "z1"), (APPLICATION_ID, "app-a"), (SUBJECT_TOKEN, "t")];

/// Reads the needed variables with changes.
fn with(changes: &[(&'static str, &str)]) -> Result<Variables, ConfigError> {
    let mut variables: BTreeMap<&str, String> =
        NEEDED.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    variables.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Variables::read(&Environment(&|name| Ok(variables.get(name).cloned())))
}

fn error(changes: &[(&'static str, &str)]) -> String {
    with(changes).err().unwrap().to_string()
}

#[test]
fn each_error_names_its_variable() {
    for name in [COORDINATOR_URL, ZONE_ID, APPLICATION_ID] {
        assert_eq!(error(&[(name, "")]), format!("the environment variable {name} is not set"));
    }
    let long = "x".repeat(300);
    for (changes, expected) in [
        (&[(SUBJECT_TOKEN, "")][..], "neither CARACAL_SUBJECT_TOKEN nor CARACAL_APP_CLIENT_SECRET is set"),
        (&[(SUBJECT_TOKEN, "a\nb")], "CARACAL_SUBJECT_TOKEN cannot be used: the token cannot be sent"),
        (&[(BOOTSTRAP_TOKEN, "b")], "CARACAL_SUBJECT_TOKEN and CARACAL_BOOTSTRAP_TOKEN are both set"),
        (&[(APP_CLIENT_SECRET, "s")], "CARACAL_STS_URL is not set"),
        (&[(APP_CLIENT_SECRET, "s"), (STS_URL, "sts")], "CARACAL_STS_URL cannot be used"),
        (&[(APP_CLIENT_SECRET, "s"), (BOOTSTRAP_TOKEN, "b")], "CARACAL_APP_CLIENT_SECRET and CARACAL_BOOTSTRAP_TOKEN"),
        (&[(APP_CLIENT_SECRET, "s"), (APP_CLIENT_SECRET_FILE, "f")], "CARACAL_APP_CLIENT_SECRET_FILE are both set"),
        (&[(APP_CLIENT_SECRET_FILE, "/nowhere/s")], "CARACAL_APP_CLIENT_SECRET_FILE cannot be used"),
        (&[(COORDINATOR_URL, "ftp://host")], "CARACAL_COORDINATOR_URL cannot be used"),
        (&[(GATEWAY_URL, "http://user:secret@host")], "CARACAL_GATEWAY_URL cannot be used"),
        (&[(RESOURCES, "a=http://a,nonsense")], "CARACAL_RESOURCES cannot be used: the resource \"nonsense\""),
        (&[(RESOURCES, " = http://a")], "CARACAL_RESOURCES cannot be used: the resource \"= http://a\""),
        (&[(RESOURCES, "a = ,b=http://b")], "CARACAL_RESOURCES cannot be used: the resource \"a =\""),
        (&[(RESOURCES_FILE, "/nowhere/r")], "CARACAL_RESOURCES_FILE cannot be used"),
        (&[(DEFAULT_TTL_SECONDS, "0")], "CARACAL_DEFAULT_TTL_SECONDS cannot be used"),
        (&[(ENV, "production"), (ALLOW_INSECURE_CONFIG_URLS, "maybe")], "CARACAL_ALLOW_INSECURE_CONFIG_URLS"),
        (&[(ZONE_ID, &long)], "CARACAL_ZONE_ID cannot be used: an id must have at most 256 bytes"),
    ] {
        let message = error(changes);
        assert!(message.contains(expected), "{message:?} does not contain {expected:?}");
        assert!(!message.contains("secret@"), "{message}");
    }
}

#[test]
fn the_settings_are_those_of_the_variables() {
    let read = with(&[
        (GATEWAY_URL, "http://gateway:8081"),
        (RESOURCES, " a = http://a/x=y , b=http://b ,"),
        (DEFAULT_TTL_SECONDS, "60"),
    ])
    .ok()
    .unwrap();
    assert_eq!(read.coordinator, "http://localhost:4000");
    assert_eq!(read.gateway.as_deref(), Some("http://gateway:8081"));
    let resources: Vec<_> = read.resources.iter().map(|binding| (&*binding.resource, &*binding.prefix)).collect();
    assert_eq!(resources, [("a", "http://a/x=y"), ("b", "http://b")]);
    assert_eq!(read.ttl, Ttl::from_secs(60));
    assert_eq!(read.token.as_fixed().unwrap().expose(), "t");
}

#[test]
fn the_client_secret_goes_before_the_token() {
    let read = with(&[(APP_CLIENT_SECRET, "s3cret"), (STS_URL, "http://localhost:8080")]).ok().unwrap();
    assert_eq!(format!("{:?}", read.token), "TokenSource(secret)");
}

#[test]
fn files_with_resources_go_before_the_list() {
    let path = std::env::temp_dir().join(format!("nuncio-resources-{}", std::process::id()));
    let file = path.to_str().unwrap();
    for (text, expected) in [
        (r#"{"x":"http://x"}"#, Some(["x", "a"])),
        (r#"[{"resource_id":"x","upstream_prefix":"http://x"}]"#, Some(["x", "a"])),
        (r#"[{"resource_id":"x"}]"#, None),
        ("3", None),
    ] {
        std::fs::write(&path, text).unwrap();
        let read = with(&[(RESOURCES_FILE, file), (RESOURCES, "a=http://a")]);
        let ids = read.ok().map(|read| read.resources.iter().map(|one| one.resource.to_string()).collect::<Vec<_>>());
        assert_eq!(ids, expected.map(|ids| ids.map(str::to_owned).to_vec()), "{text}");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn production_requires_tls_unless_told_otherwise() {
    for (changes, requires_tls) in [
        (&[][..], false),
        (&[(ENV, "development")], false),
        (&[(ENV, "production")], true),
        (&[(ENV, "production"), (ALLOW_INSECURE_CONFIG_URLS, "true")], false),
    ] {
        assert_eq!(with(changes).ok().unwrap().requires_tls, requires_tls, "{changes:?}");
    }
}

#[test]
fn lifetimes_are_rounded_up() {
    for (lifetime, secs) in [
        (Duration::ZERO, None),
        (Duration::from_millis(1), Some(1)),
        (Duration::from_millis(1_001), Some(2)),
        (Duration::from_hours(24), Some(86_400)),
        (Duration::from_secs(86_401), None),
        (Duration::MAX, None),
    ] {
        assert_eq!(ttl_of(lifetime).map(Ttl::secs), secs);
    }
}
