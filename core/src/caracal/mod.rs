//! Caracal: HTTP headers and coordinator calls that say which agent acts, and for whom.
//!
//! ```text
//! client/      the client of a coordinator; who acts for whom at one place of a program, and where its calls go
//! coordinator/ the sessions and edges of some zones, and who may change them
//! wire/        headers, requests to a coordinator and a token service, and their answers
//! ```
//!
//! The work of an agent happens in an *agent session*. A *delegation edge* passes authority from one session to
//! another. A coordinator creates both, and the `baggage` header of the agent's calls carries their ids.

pub(crate) mod client;
pub(crate) mod coordinator;
pub(crate) mod wire;

pub use client::Client;
pub use client::answer::Response;
pub use client::commands::NewEdge;
pub use client::config::{ClientConfig, ClientLimits};
pub use client::context::{Context, NoBearerToken, Trace};
pub use client::event::{
    CallFailure, CallId, ClientEvent, ClientOutput, ClientRefused, ClientTimer, EndReason, RequestId, TransportFailure,
};
pub use client::inject::CallerHeaders;
pub use client::routing::{InvalidRoutes, InvalidUrl, RESOURCE_HEADER, ResourceBinding, Route, Routes};
pub use coordinator::Coordinator;
pub use coordinator::config::{CoordinatorConfig, CoordinatorLimits, Enforcement, Resource, ZoneConfig};
pub use coordinator::event::{
    CoordinatorEvent, CoordinatorOutput, CoordinatorRefused, CoordinatorTimer, CredentialFault, EdgeAuthority,
    IncomingId, IncomingRequest, Principal,
};
pub use coordinator::record::{CoordinatorRecord, CoordinatorRecordError};
pub use coordinator::restore::CoordinatorRestored;
pub use coordinator::tokens::{Registration, TokenService, TokenServiceConfig, UnsignedToken};
pub use wire::answer::edge::{CreatedEdge, InboundEdge, Revoked};
pub use wire::answer::fault::CoordinatorFault;
pub use wire::answer::session::{Lease, SessionStatus};
pub use wire::answer::token::{IssuedToken, TokenError};
pub use wire::answer::write::Reply;
pub use wire::answer::{MAX_ANSWER_BYTES, MalformedAnswer};
pub use wire::baggage::{Baggage, ForeignBaggage};
pub use wire::call::{Answer, Call, CallError};
pub use wire::envelope::Envelope;
pub use wire::header::{Header, HeaderValue, InvalidHeader};
pub use wire::hop::{Hop, TooManyHops};
pub use wire::ids::{ApplicationId, AuthorityId, EdgeId, InvalidId, SessionId, ZoneId};
pub use wire::key::IdempotencyKey;
pub use wire::request::delegate::{Constraints, Delegate};
pub use wire::request::session::LeaseGeneration;
pub use wire::request::spawn::{Generation, InvalidMetadata, Kind, Metadata, Spawn, Ttl};
pub use wire::request::token::{LIFECYCLE_SCOPE, TokenExchange};
pub use wire::request::{Method, Request};
pub use wire::token::BearerToken;
pub use wire::traceparent::InboundTrace;

pub use crate::secret::Secret;
