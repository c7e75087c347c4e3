//! Answers as a coordinator writes them, in the form of either generation.

pub(crate) mod edge;
pub(crate) mod fault;
pub(crate) mod session;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::caracal::wire::header::{Header, HeaderValue};

/// An HTTP response. `content-length`, `date` and `connection` are added by the server. Its body, which may hold a token,
/// is not part of its `Debug` form.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    headers: Vec<Header>,
    body: Option<String>,
}

impl Reply {
    /// A JSON body.
    pub(crate) fn json(status: u16, body: String) -> Reply {
        let json = Header::new("content-type", HeaderValue::trusted("application/json; charset=utf-8"));
        Reply { status, headers: Vec::from([json]), body: Some(body) }
    }

    /// The answer to a health check.
    pub fn healthy() -> Reply {
        Reply::json(200, String::from(r#"{"status":"ok"}"#))
    }

    /// The answer of a service that is about to end, or that lacks a resource.
    pub fn unavailable() -> Reply {
        Reply::json(503, String::from(r#"{"error":"unavailable"}"#))
    }

    /// `204 No Content`.
    pub(crate) const fn no_content() -> Reply {
        Reply { status: 204, headers: Vec::new(), body: None }
    }

    /// Adds a header field.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Reply {
        self.headers.push(Header::new(name, HeaderValue::trusted(value)));
        self
    }

    /// Marks the answer as that to an earlier request with the same idempotency key.
    pub(crate) fn replayed(self) -> Reply {
        self.with("idempotency-replayed", "true")
    }

    /// Returns the status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the header fields.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Returns the body, which is JSON, if there is one.
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Writes a page of a listing.
pub(crate) fn page(items: &[String], next_cursor: Option<String>) -> String {
    let items = alloc::format!("[{}]", items.join(","));
    crate::json::Object::new().json("items", &items).null_or_plain("next_cursor", next_cursor).close()
}
