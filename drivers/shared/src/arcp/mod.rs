//! The agent runtime control protocol: the server, its agents, the client, and the journal.

pub(crate) mod agent;
pub(crate) mod client;
pub mod journal;
pub(crate) mod lease;
pub(crate) mod server;
pub(crate) mod value;

pub use agent::{
    Agent, Artifact, Child, ChildError, ChildOutcome, Delegation, Failure, IntoNumber, IntoOutput, JobContext, Level,
    Log, Metric, OrFail, Output, Posed, PosedApproval, Progress, Reservation, ResultWriter, Status, ToolCall,
};
pub use client::{
    CallError, Chunks, Client, ClientBuildError, ClientBuilder, ClientError, Collected, ConnectError, Events, Follow,
    JobControl, JobError, JobHandle, Reconnect, RemoteCode, SessionEnd, SessionEvent, SessionEvents, Submit,
    Subscription, TokenSource, Transport, Update,
};
pub use lease::LeaseRequest;
pub use nuncio_core::arcp::client::{
    Accepted, AgentInfo, AnsweredQuestion, AskedQuestion, AutoAck, ChunkEvent, ClientConfig, ClientLimits,
    ClientRefused, CloseReason, EventKind, HandleId, JobEvent, JobPage, JobRow, ListQuery, ListedEnd, LostReason,
    OpenQuestion, Outcome, OutcomeSource, Product, QuestionOutcome, QuestionPage, QuestionQuery, Raw, RemoteFault,
    RequestFailure, ResumePoint, Rotation, SessionPage, SessionQuery, SessionRow, Subscribe, Subscribed, Welcome,
};
pub use nuncio_core::arcp::{
    Access, AgentCounts, AgentStats, Answer, AnyPrincipal, Body, BusLink, BusStatus, Config, Credential, Denied,
    Dialect, ErrorCode, Fault, Feature, Features, FinalStatus, JobId, JobUlid, JournalStatus, Json, Limits, Number,
    OnRestart, Policy, PoolAgentStatus, PoolStatus, Question, Refused, RuntimeStatus, SamePrincipal, Secret, SessionId,
    SessionUlid, Stats, StatusCounts, Totals, UnknownDialect, Via,
};
pub use nuncio_core::budget::{Amount, AmountError, Amounts, Budget, BudgetError, Currency};
pub use nuncio_core::histogram::Histogram;
pub use nuncio_core::lease::{
    CanonicalError, Lease, LeaseError, Namespace, Operation, Pattern, SubsetError, TargetError, VendorNamespace,
};
pub use nuncio_core::time::Time;
pub use nuncio_core::trace::TraceId;
pub use nuncio_link::{
    ClientOptions, Forwarded, HostPolicy, InvalidPolicy, InvalidUrl, OriginPolicy, Request as UpgradeRequest,
    ServerOptions,
};
pub use server::{
    BuildError, Connection, Grant, ListenOptions, Listening, Provisioner, Revocation, Serve, ServeUntil, Server,
    ServerBuilder, Shutdown,
};
pub use value::InvalidValue;
