//! Caracal: the headers of a call, written and read.

use std::hint::black_box;

use nuncio_core::caracal::{
    ApplicationId, BearerToken, CallerHeaders, Context, EdgeId, Envelope, Header, Hop, SessionId, Trace, ZoneId,
};
use nuncio_core::trace::{SpanId, TraceId};

/// Returns the context of a session with an edge, and the token of a small JSON Web Token's size.
fn context() -> Context {
    let token = BearerToken::new(&"t".repeat(490)).expect("the token is valid");
    let zone = ZoneId::new("zone-1").expect("the id is valid");
    let application = ApplicationId::new("application-1").expect("the id is valid");
    let session = SessionId::new("0198f2a0-0000-7000-8000-000000000001").expect("the id is valid");
    let edge = EdgeId::new("0198f2a0-0000-7000-8000-000000000002").expect("the id is valid");
    let trace = Trace::new(TraceId::from_bytes([7; 16]).expect("it is not zero"));
    let own = Context::new(zone, application, token.clone());
    own.delegated_to_spawned(token, session, edge, trace, Hop::DEFAULT_LIMIT).expect("it has one hop")
}

fn headers(context: &Context) -> Vec<Header> {
    let span = SpanId::from_bytes([9; 8]).expect("it is not zero");
    context.headers(span, Hop::DEFAULT_LIMIT, &CallerHeaders::default()).expect("it has one hop")
}

pub(crate) fn writes(times: usize) {
    let context = context();
    for _ in 0..times {
        black_box(headers(black_box(&context)));
    }
}

pub(crate) fn reads(times: usize) {
    let context = context();
    let headers = headers(&context);
    let fields: Vec<_> = headers.iter().map(|header| (header.name(), header.value().expose())).collect();
    for _ in 0..times {
        let envelope = Envelope::read(black_box(&fields).iter().copied());
        let inbound = Context::inbound(context.zone().clone(), context.application().clone(), envelope);
        black_box(inbound.expect("there is a token"));
    }
}
