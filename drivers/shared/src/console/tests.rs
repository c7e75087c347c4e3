use super::{answer, paths};

fn header(method: &str, path: &str, name: &str) -> Option<String> {
    answer(method, path, None).headers().find(|(own, _)| *own == name).map(|(_, value)| value)
}

#[test]
fn every_file_has_its_type_and_the_policy() {
    let types = ["text/html", "text/css", "text/javascript", "image/svg+xml"];
    for (path, kind) in paths().zip(types) {
        let reply = answer("GET", path, None);
        assert_eq!(reply.status(), 200, "{path}");
        assert!(header("GET", path, "content-type").expect("a type").starts_with(kind), "{path}");
        assert_eq!(header("GET", path, "content-length"), Some(reply.body().len().to_string()));
        assert!(!reply.body().is_empty());
    }
    for (path, method) in [("/", "GET"), ("/console.js", "GET"), ("/missing", "GET"), ("/", "POST")] {
        let policy = header(method, path, "content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header(method, path, "x-content-type-options").as_deref(), Some("nosniff"));
        assert_eq!(header(method, path, "referrer-policy").as_deref(), Some("no-referrer"));
    }
}

#[test]
fn the_document_has_nothing_inline_and_loads_its_own_files_only() {
    let page = answer("GET", "/", None);
    let html = std::str::from_utf8(page.body()).expect("it is text");
    for inline in ["<style", "style=", "onclick", "onload", "javascript:", "http:", "https:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    for (at, _) in html.match_indices("<script") {
        assert!(html[at..].starts_with("<script type=\"module\" src=\"console.js\"></script>"), "{}", &html[at..]);
    }
}

#[test]
fn the_script_makes_no_markup_of_text() {
    let script = answer("GET", "/console.js", None);
    let script = std::str::from_utf8(script.body()).expect("it is text");
    for sink in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "localStorage"]
    {
        assert!(!script.contains(sink), "{sink}");
    }
    assert!(script.lines().count() <= 1_850, "{} lines", script.lines().count());
}

#[test]
fn other_paths_are_not_found() {
    for path in
        ["", "//", "/index.html", "/../Cargo.toml", "/%2e%2e/x", "/console.js/", "/CONSOLE.JS", "/console.js\0", "*"]
    {
        for method in ["GET", "HEAD", "POST"] {
            assert_eq!(answer(method, path, None).status(), 404, "{method} {path:?}");
        }
    }
}

#[test]
fn other_methods_are_refused_with_those_that_are_allowed() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", ""] {
        assert_eq!(answer(method, "/", None).status(), 405, "{method:?}");
        assert_eq!(header(method, "/", "allow").as_deref(), Some("GET, HEAD"));
    }
}

#[test]
fn head_is_get_without_the_body() {
    for path in paths().chain(["/missing"]) {
        let (get, head) = (answer("GET", path, None), answer("HEAD", path, None));
        assert_eq!(get.status(), head.status());
        assert!(get.headers().eq(head.headers()), "{path}");
        assert_eq!(head.body(), b"");
    }
}

#[test]
fn a_copy_that_is_current_is_not_sent_again() {
    let etag = header("GET", "/console.js", "etag").expect("it has one");
    for tags in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let reply = answer("GET", "/console.js", Some(&tags));
        assert_eq!((reply.status(), reply.body()), (304, &b""[..]), "{tags}");
        assert!(reply.headers().any(|(name, value)| name == "etag" && value == etag));
        assert!(!reply.headers().any(|(name, _)| name == "content-length" || name == "content-type"));
    }
    for tags in ["", "\"other\"", etag.trim_matches('"')] {
        assert_eq!(answer("GET", "/console.js", Some(tags)).status(), 200, "{tags}");
    }
    assert_ne!(Some(etag), header("GET", "/", "etag"));
}
