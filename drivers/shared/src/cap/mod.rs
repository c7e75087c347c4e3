//! CAP, the Cordum Agent Protocol: workers that run jobs, clients that submit them, routers, buses and blob stores between them.

pub mod blob;
pub mod bus;
pub(crate) mod client;
mod memory_server;
pub(crate) mod nats;
pub(crate) mod node;
pub(crate) mod redis;
pub(crate) mod router;
mod server;
pub(crate) mod signer;
pub mod testing;
pub(crate) mod worker;

pub use blob::memory::MemoryStore;
pub use blob::{BlobError, BlobStore, RedisOptions, RedisTls};
pub use bus::memory::MemoryBus;
pub use bus::{
    Acknowledge, Bus, BusError, BusState, JetStreamOptions, Message, NatsLogin, NatsOptions, NatsServer, Received,
    Subscription,
};
pub use client::{
    Client, ClientBuilder, JobError, JobHandle, NoResult, ProgressEvent, ProgressEvents, ResultError, Submit,
    SubmitError,
};
pub use memory_server::{MemoryServer, MemoryServerLimits};
pub use nats::{NatsBus, NatsError};
pub use node::hub::Connection;
pub use node::identity::BuildError;
pub use nuncio_core::cap::{
    Acceptance, Authentication, AuthorityEvent, AuthorityRefused, Budget, ClientConfig, ClientLimits, ClientProduction,
    ClientRefused, ComponentId, Constraints, Decision, Dispatch, Enrollment, ErrorCode, FailureKind, Freshness,
    IdentityBinding, InvalidKey, InvalidPointer, InvalidSubject, InvalidTrust, JobMetadata, JobPriority, JobProgress,
    JobRequest, JobResult, JobStatus, Keyring, Load, LostWorker, MapOrder, Peers, Pointer, Production, Progress,
    PublicKey, Reading, RecordKind, RestoreError, RouterConfig, RouterEvent, RouterJobState, RouterLimits,
    RouterProduction, RouterRecord, RouterRecordError, RouterRefused, RouterTrust, Scheme, Secret, Signer,
    SignerFailed, Subject, Topic, TrustAuthority, TrustMode, TrustNames, TrustPace, TrustSettings, Verifier,
    WorkerConfig, WorkerLimits, WorkerRefused, WorkerTrust,
};
pub use nuncio_core::time::Time;
pub use redis::RedisStore;
#[cfg(feature = "sqlite")]
pub use router::records::SqliteRecords;
pub use router::records::{MemoryRecords, Records, RecordsError};
pub use router::{JobPolicy, PolicyCheck, RoutedJob, RoutedWorker, Router, RouterBuildError, RouterBuilder, Sessions};
pub use server::InvalidOptions;
pub use signer::{PrivateKeyError, RingSigner, RingVerifier, read_public_key, write_public_key};
#[cfg(feature = "metrics")]
pub use worker::FacadeMetrics;
pub use worker::{
    Drained, Failure, JobContext, Logging, Metrics, Middleware, Next, ProgressReport, Worker, WorkerBuilder,
};
