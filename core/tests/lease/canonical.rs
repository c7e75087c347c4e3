//! Every resource has one canonical text (core/docs/arcp.md §9.2), so no other spelling leads out of a lease.

use nuncio_core::lease::{CanonicalError, Lease, LeaseError, Namespace, Operation, TargetError};
use proptest::prelude::*;

use crate::support::covers;

fn target(namespace: &str, target: &str) -> Result<String, CanonicalError> {
    match Operation::new(namespace, target) {
        Ok(operation) => Ok(operation.target().into()),
        Err(TargetError::Refused(reason)) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

fn pattern(namespace: &str, pattern: &str) -> Result<String, CanonicalError> {
    match Lease::parse(&serde_json::json!({ namespace: [pattern] }).to_string()) {
        Ok(lease) => Ok(lease.patterns(&Namespace::parse(namespace).unwrap())[0].as_str().into()),
        Err(LeaseError::Pattern { reason, .. }) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn fs_targets_are_resolved() {
    for (given, expected) in [
        ("/", "/"),
        ("//", "/"),
        ("/.", "/"),
        ("/ws", "/ws"),
        ("/ws/", "/ws"),
        ("/ws//a", "/ws/a"),
        ("/ws/./a/.", "/ws/a"),
        ("/ws/../etc/passwd", "/etc/passwd"),
        ("/ws/a/..", "/ws"),
        ("/a/b/../../c/", "/c"),
        ("/ws/...", "/ws/..."),
        ("/ws/.hid", "/ws/.hid"),
        ("/ws/%2e%2e/etc", "/ws/%2e%2e/etc"),
        ("/ws\\..\\etc", "/ws\\..\\etc"),
        ("/ws/a\nb é", "/ws/a\nb é"),
    ] {
        for namespace in ["fs.read", "fs.write"] {
            assert_eq!(target(namespace, given).as_deref(), Ok(expected), "{given}");
        }
    }
}

#[test]
fn fs_targets_are_absolute_and_below_the_root() {
    use CanonicalError::{AboveRoot, Empty, Nul, RelativePath};
    for (given, reason) in [
        ("", Empty),
        ("ws", RelativePath),
        ("./ws", RelativePath),
        ("../ws", RelativePath),
        ("~/ws", RelativePath),
        ("  /ws", RelativePath),
        ("C:\\ws", RelativePath),
        ("file:///ws", RelativePath),
        ("/..", AboveRoot),
        ("/ws/../../etc", AboveRoot),
        ("/./..", AboveRoot),
        ("/ws/a\0b", Nul),
    ] {
        assert_eq!(target("fs.read", given), Err(reason), "{given:?}");
    }
}

#[test]
fn fs_patterns_must_be_resolved_already() {
    use CanonicalError::{Empty, Nul, RelativePath, UnresolvedPattern};
    for (given, reason) in [
        ("", Empty),
        ("/ws//a", UnresolvedPattern),
        ("//", UnresolvedPattern),
        ("/ws/", UnresolvedPattern),
        ("/ws/**/", UnresolvedPattern),
        ("/ws/./a", UnresolvedPattern),
        ("/ws/../a", UnresolvedPattern),
        ("/..", UnresolvedPattern),
        ("/.", UnresolvedPattern),
        ("**/../a", UnresolvedPattern),
        ("**/", UnresolvedPattern),
        ("ws/**", RelativePath),
        ("*", RelativePath),
        ("*/a", RelativePath),
        ("**a", RelativePath),
        ("/ws/\0", Nul),
    ] {
        assert_eq!(pattern("fs.write", given), Err(reason), "{given:?}");
    }
    for good in ["/", "/ws", "/ws/**", "/**", "/*/.*", "/ws/..*", "/...", "/ws/[!a]?\\"] {
        assert_eq!(pattern("fs.write", good).as_deref(), Ok(good));
    }
}

#[test]
fn fs_patterns_that_begin_with_two_stars_begin_at_the_root() {
    assert_eq!(pattern("fs.read", "**").as_deref(), Ok("/**"));
    assert_eq!(pattern("fs.read", "**/a").as_deref(), Ok("/**/a"));
    assert!(covers("fs.read", "**", "/"));
    assert!(covers("fs.read", "**/a", "/a"));
    assert!(covers("fs.read", "**/a", "/x/a"));
}

#[test]
fn fs_no_spelling_leads_out_of_the_lease() {
    for outside in ["/ws/../etc/passwd", "/ws/a/../../etc", "/ws/./../wsx", "/wsx", "/ws/.././ws2", "/"] {
        assert!(!covers("fs.read", "/ws/**", outside), "{outside}");
    }
    for inside in ["/ws", "/ws/", "/ws/a/..", "/etc/../ws/a", "//ws//a", "/ws/..hidden", "/ws/.../a"] {
        assert!(covers("fs.read", "/ws/**", inside), "{inside}");
    }
    assert!(!covers("fs.read", "/ws/*", "/ws/"), "the directory itself is not in it");
}

#[test]
fn net_scheme_and_host_are_lower_case_and_the_default_port_is_dropped() {
    for (given, expected) in [
        ("HTTPS://API.Example.com/V1/x", "https://api.example.com/V1/x"),
        ("https://h:443/a", "https://h/a"),
        ("https://h:0443/a", "https://h/a"),
        ("https://h:/a", "https://h/a"),
        ("http://h:80/a", "http://h/a"),
        ("ws://h:80/", "ws://h/"),
        ("wss://h:443/", "wss://h/"),
        ("ftp://h:21/", "ftp://h/"),
        ("http://h:443/a", "http://h:443/a"),
        ("https://h:8443/a", "https://h:8443/a"),
        ("https://h:08443/a", "https://h:8443/a"),
        ("https://h./a", "https://h/a"),
        ("https://h.:443/a", "https://h/a"),
        ("https://ex%61mple.com/", "https://example.com/"),
        ("https://h%2E/", "https://h/"),
        ("https://h", "https://h/"),
        ("https://h?q", "https://h/?q"),
        ("https://[::1]:443/", "https://[::1]/"),
        ("https://[0:0:0:0:0:0:0:1]/", "https://[::1]/"),
        ("https://[FE80::A]:8443/", "https://[fe80::a]:8443/"),
        ("s3://Bucket/Key", "s3://bucket/Key"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("custom+x.1-y://h:443/", "custom+x.1-y://h:443/"),
    ] {
        assert_eq!(target("net.fetch", given).as_deref(), Ok(expected), "{given}");
        assert_eq!(pattern("net.fetch", given).as_deref(), Ok(expected), "{given} as a pattern");
    }
}

#[test]
fn net_dot_segments_are_resolved_even_if_percent_encoded() {
    for (given, expected) in [
        ("https://h/a/../b", "https://h/b"),
        ("https://h/a/%2e%2E/b", "https://h/b"),
        ("https://h/a/.%2e/b", "https://h/b"),
        ("https://h/./a/%2e/b", "https://h/a/b"),
        ("https://h/../../a", "https://h/a"),
        ("https://h/a/..", "https://h/"),
        ("https://h/a/b/..", "https://h/a/"),
        ("https://h/a/.", "https://h/a/"),
        ("https://h/..", "https://h/"),
        ("https://h/a//../b", "https://h/a/b"),
        ("https://h//a", "https://h//a"),
        ("https://h/a/", "https://h/a/"),
        ("https://h/...", "https://h/..."),
        ("https://h/a/../b?x=/../y", "https://h/b?x=%2f..%2fy"),
    ] {
        assert_eq!(target("net.fetch", given).as_deref(), Ok(expected), "{given}");
        assert_eq!(pattern("net.fetch", given).as_deref(), Ok(expected), "{given} as a pattern");
    }
}

#[test]
fn net_unreserved_escapes_are_decoded_and_the_others_lower_case() {
    for (given, expected) in [
        ("https://h/%61%7E%5F%2D", "https://h/a~_-"),
        ("https://h/%C3%A9%20%2A", "https://h/%c3%a9%20%2a"),
        ("https://h/%252e%252e/a", "https://h/%252e%252e/a"),
        ("https://h/a?x=%2F/%61%3D", "https://h/a?x=%2f%2fa%3d"),
        ("https://h/a?x?y", "https://h/a?x?y"),
        ("https://h/a?", "https://h/a?"),
    ] {
        assert_eq!(target("net.fetch", given).as_deref(), Ok(expected), "{given}");
        assert_eq!(pattern("net.fetch", given).as_deref(), Ok(expected), "{given} as a pattern");
    }
}

#[test]
fn net_ambiguous_urls_are_refused() {
    use CanonicalError::{
        Empty, Escape, EscapedSeparator, ForbiddenCharacter, Fragment, Host, NoScheme, Port, UserInfo,
    };
    for (given, reason) in [
        ("", Empty),
        ("/a", NoScheme),
        ("//h/a", NoScheme),
        ("h/a", NoScheme),
        ("mcp:github/x", NoScheme),
        ("https:/h/a", NoScheme),
        ("https:h", NoScheme),
        ("://h/", NoScheme),
        ("1http://h/", NoScheme),
        ("ht_tp://h/", NoScheme),
        ("h/https://x/", NoScheme),
        ("https://user@h/", UserInfo),
        ("https://user:pass@h/", UserInfo),
        ("https://h@evil.com/", UserInfo),
        ("https://h/#f", Fragment),
        ("https://h#@evil.com", Fragment),
        ("https://h\\@evil.com/", ForbiddenCharacter),
        ("https://h/a\\b", ForbiddenCharacter),
        ("https://h/a\tb", ForbiddenCharacter),
        ("https://h/a\r\nb", ForbiddenCharacter),
        ("https://h/a b", ForbiddenCharacter),
        (" https://h/", ForbiddenCharacter),
        ("https://h/\u{7f}", ForbiddenCharacter),
        ("https://h/é", ForbiddenCharacter),
        ("https://exämple.com/", ForbiddenCharacter),
        ("https://h/?q=é", ForbiddenCharacter),
        ("https://h/a%2fb", EscapedSeparator),
        ("https://h/..%2F..", EscapedSeparator),
        ("https://h/a%5Cb", EscapedSeparator),
        ("https://h/%", Escape),
        ("https://h/%2", Escape),
        ("https://h/%zz", Escape),
        ("https://h/%+1", Escape),
        ("https://h/%%32e", Escape),
        ("https://h/?q=100%", Escape),
        ("https://h%/", Escape),
        ("https:///a", Host),
        ("https://", Host),
        ("https://.", Host),
        ("https://:443/", Host),
        ("file://:80/", Host),
        ("https://h../", Host),
        ("https://h%2fevil/", Host),
        ("https://h%3f/", Host),
        ("https://h%40evil/", Host),
        ("https://h,evil/", Host),
        ("https://h|evil/", Host),
        ("https://[::1/", Host),
        ("https://[::1]x/", Host),
        ("https://[::g]/", Host),
        ("https://[fe80::1%25eth0]/", Host),
        ("https://::1/", Host),
        ("https://h:x/", Port),
        ("https://h:+443/", Port),
        ("https://h:65536/", Port),
        ("https://h:80:443/", Port),
    ] {
        assert_eq!(target("net.fetch", given), Err(reason), "{given:?}");
        assert_eq!(pattern("net.fetch", given), Err(reason), "{given:?} as a pattern");
    }
}

#[test]
fn net_a_star_is_a_wildcard_in_patterns_only() {
    assert_eq!(target("net.fetch", "https://*/"), Err(CanonicalError::Host));
    assert_eq!(target("net.fetch", "https://h:*/"), Err(CanonicalError::Port));
    assert_eq!(target("net.fetch", "http*://h/"), Err(CanonicalError::NoScheme));
    assert_eq!(target("net.fetch", "**"), Err(CanonicalError::NoScheme));
    assert_eq!(target("net.fetch", "https://h/*").as_deref(), Ok("https://h/*"));
    for (given, expected) in [
        ("**", "**"),
        ("https://**", "https://**"),
        ("HTTPS://**/a", "https://**/a"),
        ("https://**?q", "https://*/?q"),
        ("https://*", "https://*/"),
        ("https://*.Example.com/*", "https://*.example.com/*"),
        ("https://*.example.com:443/*", "https://*.example.com/*"),
        ("https://h:*/x", "https://h:*/x"),
        ("https://h:8*/x", "https://h:8*/x"),
        ("https://*:8443/x", "https://*:8443/x"),
        ("http*://h/x", "http*://h/x"),
        ("https://[*]/x", "https://[*]/x"),
        ("https://h/**/a/../b", "https://h/**/b"),
        ("https://h/*?q=/*", "https://h/*?q=%2f*"),
    ] {
        assert_eq!(pattern("net.fetch", given).as_deref(), Ok(expected), "{given}");
    }
}

#[test]
fn net_canonicalising_never_widens_a_pattern() {
    use CanonicalError::{Escape, Host, NoScheme, ParentSegment, Port, WidenedHost};
    for (given, reason) in [
        ("https://*:443/x", WidenedHost),
        ("https://*:/x", WidenedHost),
        ("https://api*:443/x", WidenedHost),
        ("https://*./x", WidenedHost),
        ("https://**:443/x", WidenedHost),
        ("https://**./x", WidenedHost),
        ("https://h/**/../x", ParentSegment),
        ("https://h/a*/%2e%2e/x", ParentSegment),
        ("https://h/%*", Escape),
        ("https://h/%2*", Escape),
        ("https://h:*x/", Port),
        ("https://[*x]/", Host),
        ("*", NoScheme),
        ("**/x", NoScheme),
        ("api.example.com/**", NoScheme),
    ] {
        assert_eq!(pattern("net.fetch", given), Err(reason), "{given}");
    }
    assert!(!covers("net.fetch", "https://**?q", "https://h/a/?q"), "`**` inside a segment stays within that segment");
    for given in ["https://**", "https://**/a", "https://**?q"] {
        assert_eq!(target("net.fetch", given), Err(Host), "only patterns may have a `*` in the host: {given}");
    }
}

#[test]
fn net_patterns_cover_what_they_say() {
    for (pattern, target, expected) in [
        ("https://api.example.com/**", "https://api.example.com", true),
        ("https://api.example.com/**", "HTTPS://API.example.com:443/a/b?c=d/e", true),
        ("https://api.example.com/**", "https://api.example.com/../x", true),
        ("https://api.example.com/**", "https://api.example.com.evil/a", false),
        ("https://api.example.com/**", "https://api.example.com:8443/a", false),
        ("https://api.example.com/**", "http://api.example.com/a", false),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/../v2", false),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/%2e%2e/v2", false),
        ("https://api.example.com/v1/**", "https://api.example.com/v2?/../v1/x", false),
        ("https://API.example.com:443", "https://api.example.com/", true),
        ("https://*.example.com/*", "https://a.b.example.com/x", true),
        ("https://*.example.com/*", "https://evil/.example.com/x", false),
        ("https://*.example.com/*", "https://evil.com?.example.com/x", false),
        ("https://*.example.com/*", "https://a.example.com/x?y=/z", true),
        ("https://*/x", "https://h/a/x", false),
        ("https://*", "https://h", true),
        ("https://*", "https://h/a", false),
        ("https://**", "https://h/a/b", true),
        ("https://**/a", "https://h/x/a", true),
        ("**", "ftp://h/x", true),
        ("s3://example/**", "s3://example/k/v", true),
        ("https://h/a?q=*", "https://h/a?q=1/2", true),
        ("https://h/a", "https://h/a?q", false),
    ] {
        assert_eq!(covers("net.fetch", pattern, target), expected, "{pattern} {target}");
    }
}

#[test]
fn other_namespaces_are_literal_and_refuse_parent_segments() {
    for namespace in ["tool.call", "agent.delegate", "model.use", "x-vendor.a.b"] {
        for literal in ["a", "./a", "a//b", "/a/", "A b\n", "mcp:github/x", "a..b", "...", "%2e%2e"] {
            assert_eq!(target(namespace, literal).as_deref(), Ok(literal));
            assert_eq!(pattern(namespace, literal).as_deref(), Ok(literal));
        }
        for parent in ["..", "../a", "a/..", "a/../b"] {
            assert_eq!(target(namespace, parent), Err(CanonicalError::ParentSegment));
            assert_eq!(pattern(namespace, parent), Err(CanonicalError::ParentSegment));
        }
        assert_eq!(target(namespace, ""), Err(CanonicalError::Empty));
    }
}

fn url() -> impl Strategy<Value = String> {
    let host = "(h|H|example\\.com|EX%41mple\\.com\\.|\\[::1\\]|evil@h|h\\.\\.)";
    let port = "(|:|:443|:80|:8443|:x)";
    let path = "(/|a|b|\\.|\\.\\.|%2e|%2E|%61|%2f|%20|%|~|\\*){0,9}";
    let query = "(|\\?(a|/|\\.\\.|%2F|\\?){0,5})";
    (("(https|HTTP|s3)", host), (port, path, query))
        .prop_map(|((scheme, host), (port, path, query))| format!("{scheme}://{host}{port}/{path}{query}"))
}

/// Splits a canonical URL into its authority and the segments of its path, without the code under test.
fn parts(url: &str) -> (&str, Vec<&str>) {
    let (_, rest) = url.split_once("://").unwrap();
    let (authority, rest) = rest.split_once('/').unwrap();
    (authority, rest.split('?').next().unwrap().split('/').collect())
}

proptest! {
    #[test]
    fn fs_resolution_agrees_with_a_walk(path in "/(a|ws|\\.|\\.\\.|/){0,12}") {
        let mut walk: Option<Vec<&str>> = Some(Vec::new());
        for segment in path.split('/') {
            match (segment, &mut walk) {
                ("" | ".", _) | (_, None) => {}
                ("..", Some(at)) => if at.pop().is_none() { walk = None },
                (name, Some(at)) => at.push(name),
            }
        }
        let expected = walk.map(|at| format!("/{}", at.join("/")));
        let resolved = target("fs.read", &path);
        prop_assert_eq!(resolved.ok(), expected.clone());
        if let Some(expected) = expected {
            let inside = expected == "/ws" || expected.starts_with("/ws/");
            prop_assert_eq!(covers("fs.read", "/ws/**", &path), inside);
        }
    }

    #[test]
    fn net_canonical_forms_are_stable_and_unambiguous(url in url()) {
        if let Ok(canonical) = target("net.fetch", &url) {
            prop_assert_eq!(target("net.fetch", &canonical), Ok(canonical.clone()));
            let (authority, path) = parts(&canonical);
            prop_assert!(!authority.contains('@') && !authority.ends_with('.') && authority == authority.to_lowercase());
            prop_assert!(!path.contains(&".") && !path.contains(&".."), "{}", canonical);
            let expected = authority == "h" && path[0] == "a";
            prop_assert_eq!(
                canonical.starts_with("https:") && expected,
                covers("net.fetch", "https://h/a/**", &url) || canonical.starts_with("https://h/a?"),
                "{}", canonical
            );
        }
    }

    #[test]
    fn net_patterns_are_canonicalised_like_targets(url in url()) {
        let as_pattern = pattern("net.fetch", &url);
        if !url.contains('*') {
            prop_assert_eq!(&as_pattern, &target("net.fetch", &url));
        }
        if let Ok(canonical) = as_pattern {
            prop_assert_eq!(pattern("net.fetch", &canonical), Ok(canonical));
            if let Ok(operation) = Operation::new("net.fetch", &url) {
                let lease = Lease::parse(&serde_json::json!({ "net.fetch": [url] }).to_string()).unwrap();
                prop_assert!(lease.covers(&operation));
            }
        }
    }
}
