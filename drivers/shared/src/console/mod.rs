//! The live page of a runtime, for any HTTP server: a document, a style sheet, a script and an icon, which are part of the
//! program.
//!
//! [`answer`] says what an HTTP server has to answer to a request. The page is an ordinary client of ARCP: it connects to
//! the WebSocket at `arcp` beside it, or to another URL that its user types, and sends the user's token in its hello. So the
//! page needs no right of its own, and nothing on the server knows of it.
//!
//! - `console.js` is one module in sections. Its pure part takes frames and times, and hands out frames, deadlines and a
//!   model. The command's tests run it in a browser.
//! - The answers have a Content-Security-Policy without anything inline. The page may connect to any WebSocket and to
//!   nothing else, be shown in no frame, and turn no text into markup.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// What a browser may do on the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src ws: wss:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// The headers of every answer.
const COMMON: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    // A browser asks each time whether its copy is that of the server, which may have been updated.
    ("cache-control", "no-cache"),
];

/// A file of the page.
struct File {
    path: &'static str,
    content_type: &'static str,
    body: &'static [u8],
    /// A quoted digest of the body.
    etag: String,
}

static FILES: LazyLock<[File; 4]> = LazyLock::new(|| {
    let html = include_bytes!("index.html");
    let css = include_bytes!("console.css");
    let script = include_bytes!("console.js");
    let icon = include_bytes!("icon.svg");
    [
        file("/", "text/html; charset=utf-8", html),
        file("/console.css", "text/css; charset=utf-8", css),
        file("/console.js", "text/javascript; charset=utf-8", script),
        file("/icon.svg", "image/svg+xml", icon),
    ]
});

fn file(path: &'static str, content_type: &'static str, body: &'static [u8]) -> File {
    let digest: String = Sha256::digest(body).iter().take(12).fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    });
    File { path, content_type, body, etag: format!("\"{digest}\"") }
}

/// The paths of the files, such as `/console.js`, for a router.
pub fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.path)
}

/// An answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    content_type: &'static str,
    etag: Option<&'static str>,
    allow: Option<&'static str>,
    /// The length of what a GET is answered with, or `None` for an answer that never has a body.
    length: Option<usize>,
    body: &'static [u8],
}

impl Reply {
    /// Returns the HTTP status: 200, 304, 404 or 405.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the headers, with names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let own = [
            ("content-type", self.length.map(|_| self.content_type.to_owned())),
            ("content-length", self.length.map(|length| length.to_string())),
            ("etag", self.etag.map(str::to_owned)),
            ("allow", self.allow.map(str::to_owned)),
        ];
        let common = COMMON.into_iter().map(|(name, value)| (name, value.to_owned()));
        own.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).chain(common)
    }

    /// Returns the body, which is empty for a HEAD request.
    pub const fn body(&self) -> &'static [u8] {
        self.body
    }
}

/// Answers a request for the page. `path` is that of the request's target, without a query; it is compared with the four paths
/// and names no file of the machine. `if_none_match` is the header of that name.
///
/// ```
/// use nuncio_shared::console::answer;
///
/// let page = answer("GET", "/", None);
/// assert_eq!(page.status(), 200);
/// let (_, etag) = page.headers().find(|(name, _)| *name == "etag").expect("it has one");
/// assert_eq!(answer("GET", "/", Some(&etag)).status(), 304);
/// assert_eq!(answer("GET", "/../etc/passwd", None).status(), 404);
/// assert_eq!(answer("POST", "/", None).status(), 405);
/// ```
pub fn answer(method: &str, path: &str, if_none_match: Option<&str>) -> Reply {
    let reply = match FILES.iter().find(|file| file.path == path) {
        None => text(404, "nothing is served at this path\n"),
        Some(_) if !matches!(method, "GET" | "HEAD") => {
            Reply { allow: Some("GET, HEAD"), ..text(405, "the page is read with GET or HEAD\n") }
        }
        Some(file) if if_none_match.is_some_and(|tags| names(tags, &file.etag)) => {
            Reply { status: 304, content_type: "", etag: Some(&file.etag), allow: None, length: None, body: b"" }
        }
        Some(file) => Reply {
            status: 200,
            content_type: file.content_type,
            etag: Some(&file.etag),
            allow: None,
            length: Some(file.body.len()),
            body: file.body,
        },
    };
    if method == "HEAD" { Reply { body: b"", ..reply } } else { reply }
}

const fn text(status: u16, body: &'static str) -> Reply {
    Reply {
        status,
        content_type: "text/plain; charset=utf-8",
        etag: None,
        allow: None,
        length: Some(body.len()),
        body: body.as_bytes(),
    }
}

/// Whether a header `If-None-Match` names the tag (RFC 9110 §13.1.2: compared weakly).
fn names(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
