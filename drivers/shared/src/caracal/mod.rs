//! Caracal: who acts for whom. Agent sessions, delegation, and contexts on HTTP requests.
//!
//! ```text
//! app/          an application: its settings and environment, its calls
//! scope/        sessions and edges that are open, and the builders of them
//! context.rs    the context that a task runs in
//! inject.rs     the context on calls of other services; transport.rs and layer/ use it; fields.rs has the header fields
//! inbound.rs    the context of inbound requests; mandate/ verifies their tokens (feature jwt)
//! hub/          the machine behind its lock, and its tasks
//! token/        where tokens come from
//! http/         HTTP/1.1 on the driver's sockets
//! coordinator/  a coordinator to run, with its token service and records
//! ```

pub(crate) mod app;
mod context;
mod coordinator;
mod error;
mod event;
mod fields;
mod http;
mod hub;
mod inbound;
mod inject;
mod layer;
mod lifecycle;
#[cfg(feature = "jwt")]
mod mandate;
mod request;
mod scope;
mod token;
mod transport;

pub use app::Caracal;
pub use app::builder::CaracalBuilder;
pub use app::error::ConfigError;
pub use context::{ActiveContext, InContext, current, in_current_context};
#[cfg(feature = "sqlite")]
pub use coordinator::SqliteRecords;
pub use coordinator::{
    Coordinator, CoordinatorBuildError, CoordinatorBuilder, HttpRequest, MemoryRecords, Records, RecordsError,
};
pub use error::CallError;
pub use fields::ContextHeaders;
pub use http::HttpError;
pub use http::origin::InvalidEndpoint;
pub use inject::{InjectError, Injected};
pub use layer::client::{ClientLayer, ClientLayerError, ClientService};
pub use layer::server::{ServerLayer, ServerService};
pub use lifecycle::Lifecycle;
#[cfg(feature = "jwt")]
pub use mandate::{Mandate, MandateFault, MandateHop, MandateIssuer, MandateVerifier};
pub use nuncio_core::caracal::{
    ApplicationId, AuthorityId, Baggage, BearerToken, CallFailure, CallerHeaders, ClientLimits, ClientRefused,
    Constraints, Context, CoordinatorConfig, CoordinatorEvent, CoordinatorFault, CoordinatorLimits, CoordinatorRecord,
    CoordinatorRecordError, CreatedEdge, EdgeId, EndReason, Enforcement, Envelope, ForeignBaggage, Generation, Header,
    HeaderValue, Hop, InboundEdge, InboundTrace, InvalidHeader, InvalidId, InvalidRoutes, InvalidUrl, Kind,
    LIFECYCLE_SCOPE, Lease, LeaseGeneration, MalformedAnswer, NewEdge, NoBearerToken, Reply, Resource, ResourceBinding,
    Revoked, Secret, SessionId, TokenError, TooManyHops, Trace, Ttl, ZoneId,
};
pub use nuncio_core::trace::{SpanId, TraceFlags, TraceId, TraceState};
pub use nuncio_link::http as http_types;
pub use nuncio_link::http1::{Http1Fault, Http1Refused};
pub use scope::Scope;
pub use scope::delegate::{DelegateBuilder, Delegation};
pub use scope::spawn::SpawnBuilder;
pub use token::{TokenFault, TokenSource};
pub use transport::{Transport, TransportError};
