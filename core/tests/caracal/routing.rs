//! Routing: where calls go, and which may carry the context (§1.5).

use nuncio_core::caracal::{HeaderValue, InvalidRoutes, InvalidUrl, ResourceBinding, Route, Routes};

use super::fixtures::exchange;

const UPSTREAM: &str = "http://127.0.0.1:14200";
const OTHER: &str = "http://other:9000";

fn bindings() -> Vec<ResourceBinding> {
    let binding = |resource: &str, prefix: String| ResourceBinding { resource: resource.into(), prefix: prefix.into() };
    vec![
        binding("resource://inventory", UPSTREAM.into()),
        binding("resource://inv-v2", format!("{UPSTREAM}/v2")),
        binding("resource://other", format!("{OTHER}/api/")),
    ]
}

fn routes() -> Routes {
    Routes::new(Some("http://127.0.0.1:14300/base"), &bindings()).unwrap()
}

/// The path and the resource that a call arrives at the gateway with.
fn at_gateway(url: &str, resource: Option<&str>) -> (String, String) {
    let resource = resource.map(|id| HeaderValue::new(id).unwrap());
    let Route::Gateway { url, headers: [host, resource] } = routes().route(url, resource.as_ref()).unwrap() else {
        panic!("{url} does not go through the gateway")
    };
    assert_eq!((host.name(), host.value().expose()), ("host", "127.0.0.1:14300"), "B5: the host has its port");
    assert_eq!(resource.name(), "x-caracal-resource");
    (url.strip_prefix("http://127.0.0.1:14300").unwrap().to_owned(), resource.value().expose().to_owned())
}

#[test]
fn s1_5_calls_arrive_at_the_gateway_as_those_of_the_python_sdk() {
    for (number, url, resource) in [
        ("55", format!("{UPSTREAM}/items?q=a%20b#top"), None),
        ("56", format!("{UPSTREAM}/v2/items"), None),
        ("57", format!("{UPSTREAM}/v2x/items"), None),
        ("58", format!("{OTHER}/api/a/b"), None),
        ("59", format!("{UPSTREAM}/x"), Some("resource://unbound")),
        ("60", format!("{UPSTREAM}/y"), Some("resource://inv-v2")),
    ] {
        let (recorded, _) = exchange(number);
        let (path, resource) = at_gateway(&url, resource);
        assert_eq!(path, recorded.line().1, "{number}");
        assert_eq!(Some(&*resource), recorded.header("x-caracal-resource"), "{number}");
    }
}

#[test]
fn s1_5_prefixes_end_at_the_end_of_a_segment() {
    assert_eq!(at_gateway(&format!("{UPSTREAM}/v2"), None).0, "/base/");
    assert_eq!(at_gateway(&format!("{UPSTREAM}/v2?a=/x"), None).0, "/base/?a=/x");
    assert_eq!(at_gateway(UPSTREAM, None), ("/base/".into(), "resource://inventory".into()));
    assert_eq!(at_gateway(&format!("{UPSTREAM}/v2;x=1/a"), None).1, "resource://inventory");
    assert_eq!(routes().route(&format!("{OTHER}/apix"), None), Ok(Route::Direct));
    assert_eq!(at_gateway("HTTP://OTHER:9000/api/x", None).1, "resource://other", "origins have no case");
}

#[test]
fn s1_5_a_named_resource_loses_its_own_prefix() {
    assert_eq!(at_gateway(&format!("{UPSTREAM}/v2/items"), Some("resource://inv-v2")).0, "/base/items");
    assert_eq!(at_gateway(&format!("{UPSTREAM}/v2/items"), Some("resource://inventory")).0, "/base/v2/items");
}

#[test]
fn b3_only_the_gateway_and_bound_resources_learn_the_context() {
    assert_eq!(routes().route("http://127.0.0.1:14300/base/items", None), Ok(Route::AtGateway));
    for elsewhere in
        ["http://127.0.0.1:14201/", "https://127.0.0.1:14200/", "http://127.0.0.1/", "http://evil.example/"]
    {
        assert_eq!(routes().route(elsewhere, None), Ok(Route::Direct), "{elsewhere}");
    }
    let direct = Routes::new(None, &bindings()).unwrap();
    assert_eq!(direct.route(&format!("{UPSTREAM}/items"), None), Ok(Route::Bound));
    assert_eq!(direct.route("http://evil.example/", None), Ok(Route::Direct));
    let named = HeaderValue::new("resource://inventory").unwrap();
    assert_eq!(direct.route("http://evil.example/", Some(&named)), Ok(Route::Direct));
    assert_eq!(Routes::default().route(UPSTREAM, Some(&named)), Ok(Route::Direct));
}

#[test]
fn s1_5_paths_that_leave_their_prefix_are_refused() {
    for path in [
        "/v2/../admin",
        "/v2/%2e%2E/admin",
        "/v2/.%2e/admin",
        "/v2/./x",
        "/v2/..",
        "/v2/..;a=1/admin",
        "/v2%2F..%2fadmin",
        "/v2/%5c..%5Cadmin",
        "/v2/%252e%252e/admin",
    ] {
        assert_eq!(routes().route(&format!("{UPSTREAM}{path}"), None), Err(InvalidUrl::Traversal), "{path}");
    }
    assert_eq!(routes().route(&format!("{UPSTREAM}\\..\\x"), None), Err(InvalidUrl::Character));
    assert_eq!(routes().route("http://elsewhere/a/../b", None), Ok(Route::Direct));
    assert_eq!(at_gateway(&format!("{UPSTREAM}/..a/b..?x=../y"), None).0, "/base/..a/b..?x=../y");
}

#[test]
fn urls_that_could_be_read_in_two_ways_are_refused() {
    for (url, why) in [
        ("ftp://a/", InvalidUrl::Scheme),
        ("a", InvalidUrl::Scheme),
        ("http:///x", InvalidUrl::Host),
        ("http://a:b/", InvalidUrl::Host),
        ("http://a:+80/", InvalidUrl::Host),
        ("http://a:65536/", InvalidUrl::Host),
        ("http://[::g]/", InvalidUrl::Host),
        ("http://[::1]x/", InvalidUrl::Host),
        ("http://127.0.0.1:14200@evil.example/", InvalidUrl::UserInfo),
        ("http://a/b c", InvalidUrl::Character),
        ("http://a/b\r\nx: y", InvalidUrl::Character),
        ("http://é/", InvalidUrl::Character),
    ] {
        assert_eq!(routes().route(url, None), Err(why), "{url}");
    }
    let v6 = ResourceBinding { resource: "r".into(), prefix: "http://[0::1]:80/".into() };
    let routes = Routes::new(None, &[v6]).unwrap();
    assert_eq!(routes.route("http://[::1]/x", None), Ok(Route::Bound));
}

#[test]
fn routes_say_what_is_wrong_with_them() {
    let bound = |resource: &str, prefix: &str| {
        Routes::new(None, &[ResourceBinding { resource: resource.into(), prefix: prefix.into() }]).unwrap_err()
    };
    assert_eq!(
        bound("a\nb", "http://a/"),
        InvalidRoutes::Resource { resource: "a\nb".into(), why: nuncio_core::caracal::InvalidHeader::NotPrintable }
    );
    assert_eq!(
        bound("r", "x").to_string(),
        "the prefix of the resource \"r\" is malformed: the URL must begin with http:// or https://"
    );
    assert_eq!(bound("r", "http://a/?q"), InvalidRoutes::Query);
    assert_eq!(Routes::new(Some("http://a/../"), &[]).unwrap_err(), InvalidRoutes::Gateway(InvalidUrl::Traversal));
}

#[test]
fn b3_redirects_are_followed_within_an_origin_only() {
    assert!(Routes::allows_redirect("http://a/x", "http://A:80/y"));
    for to in ["https://a/", "http://b/", "http://a:81/", "/relative", "http://a@b/"] {
        assert!(!Routes::allows_redirect("http://a/x", to), "{to}");
    }
}
