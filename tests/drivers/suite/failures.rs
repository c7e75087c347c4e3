//! The parts of an agent's errors that a client is sent.

use std::error::Error;
use std::{fmt, io};

use super::support::{builder, connect, within};
use nuncio_shared::arcp::{ErrorCode, Failure, FinalStatus, JobContext, OrFail as _, Submit};
use serde_json::{Value, json};

/// An error with a source.
#[derive(Debug)]
struct Missing(u32, io::Error);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {} is missing", self.0)
    }
}

impl Error for Missing {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.1)
    }
}

fn missing() -> Missing {
    Missing(7, io::Error::other("disk 3 is offline"))
}

async fn fails(how: String, _: JobContext) -> Result<(), Failure> {
    match how.as_str() {
        "error" => Err(missing()).or_fail("the book cannot be read"),
        "boxed" => Err(Box::<dyn Error + Send + Sync>::from(missing())).or_fail("the book cannot be read"),
        "repeated" => Err(io::Error::other(missing())).or_fail("the book cannot be read"),
        "option" => None.or_fail("there is no such book"),
        "hidden" => Err(missing()).map_err(|_| Failure::internal("the book cannot be read")),
        code => Err(Failure::custom(code, "no luck")),
    }
}

#[test]
fn an_error_is_shown_with_its_sources_where_the_agent_says_so() {
    within(async {
        let server = builder().agent("fails", fails).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let cause = json!({"cause": "page 7 is missing: disk 3 is offline"});
        let unread = "the book cannot be read";
        for (how, code, message, details) in [
            ("error", ErrorCode::InternalError, unread, Some(cause.clone())),
            ("boxed", ErrorCode::InternalError, unread, Some(cause.clone())),
            ("repeated", ErrorCode::InternalError, unread, Some(cause)),
            ("option", ErrorCode::InternalError, "there is no such book", None),
            ("hidden", ErrorCode::InternalError, unread, None),
            ("TIMEOUT", ErrorCode::Timeout, "no luck", None),
            ("OUT_OF_PAPER", ErrorCode::InternalError, "no luck", Some(json!({"code": "OUT_OF_PAPER"}))),
        ] {
            let mut job = client.submit(&Submit::new("fails").input(&how)).await.unwrap();
            let outcome = job.outcome().await.unwrap();
            assert_ne!(outcome.status, FinalStatus::Success);
            let fault = outcome.fault.unwrap();
            assert_eq!((fault.known(), fault.message.as_str()), (Some(code), message), "{how}");
            let shown: Option<Value> = fault.details.map(|details| serde_json::from_str(details.as_str()).unwrap());
            assert_eq!(shown, details, "{how}");
        }
    });
}
