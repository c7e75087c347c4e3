//! Mistakes about jobs of other runtimes of the host.

use super::{Mutation, Suite, Tests};

const TESTS: Tests = Tests { package: "nuncio-tests", target: "conformance", filter: "s_elsewhere" };

const fn at(name: &'static str, file: &'static str, original: &'static str, replacement: &'static str) -> Mutation {
    Mutation { name, file, original, replacement, suite: Suite::Tests(TESTS) }
}

pub(super) const ELSEWHERE: [Mutation; 11] = [
    at(
        "elsewhere: a page goes beyond the place that all runtimes have reached",
        "arcp/runtime/inquiries.rs",
        "        if reached.is_some_and(|reached| *place > reached) {",
        "        if reached.is_some_and(|reached| *place > reached) && count > limit {",
    ),
    at(
        "elsewhere: the first runtime that does not know a job answers for all",
        "arcp/runtime/inquiries.rs",
        "if fault.code == ErrorCode::JobNotFound && inquiry.missing > 0 =>",
        "if fault.code == ErrorCode::JobNotFound && inquiry.missing > 1 =>",
    ),
    at(
        "elsewhere: a guest is on record",
        "arcp/runtime/append.rs",
        "        self.number(key, kind, head, payload, secret, announcement).filter(|_| !guest)",
        "        self.number(key, kind, head, payload, secret, announcement).filter(|_| guest || !guest)",
    ),
    at(
        "elsewhere: frames are taken whether the log has room for them or not",
        "arcp/runtime/relay.rs",
        "            && !session.is_behind(self.config.limits.send_window)",
        "            && !session.is_behind(usize::MAX)",
    ),
    at(
        "elsewhere: a subscription is not on record",
        "arcp/runtime/relay.rs",
        "        session.watch_elsewhere(about, Some(from));\n        self.record_elsewhere(key);",
        "        session.watch_elsewhere(about, Some(from));",
    ),
    at(
        "elsewhere: a subscription that was refused goes on",
        "arcp/runtime/relay.rs",
        "        if !is_open && !self.expects(key, about.job) {",
        "        if !is_open && request_id.is_empty() {",
    ),
    at(
        "elsewhere: the guests of a session outlive it",
        "arcp/runtime/close.rs",
        "        if session.elsewhere().is_some() {",
        "        if session.elsewhere().is_none() {",
    ),
    at(
        "elsewhere: a connection whose request has lapsed is not read again",
        "arcp/runtime/relay.rs",
        "        if self.conns.get_mut(conn).is_some_and(Conn::end_inquiry) {",
        "        if self.conns.get_mut(conn).is_none_or(|open| open.is_guest() && open.end_inquiry()) {",
    ),
    at(
        "elsewhere: a history begins anew with each connection",
        "arcp/runtime/sessions/announcement.rs",
        "                core::mem::replace(asked, epoch) != epoch",
        "                core::mem::replace(asked, epoch) == u32::MAX",
    ),
    at(
        "elsewhere: an answer that is lost with its connection is not sent again",
        "arcp/runtime/relay.rs",
        "payload.clone(), None, announcement) {",
        "payload.clone(), None, announcement.filter(|_| false)) {",
    ),
    at(
        "elsewhere: a request that is sent again is relayed again",
        "arcp/runtime/inquiries.rs",
        "            inquiry.conn = conn;\n            true",
        "            inquiry.conn = conn;\n            false",
    ),
];
