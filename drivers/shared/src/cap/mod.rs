//! CAP, the Cordum Agent Protocol: workers that run jobs, clients that submit them, buses and blob stores between them.

pub mod blob;
pub mod bus;
pub(crate) mod client;
pub(crate) mod nats;
pub(crate) mod node;
pub(crate) mod redis;
mod server;
pub(crate) mod signer;
pub(crate) mod worker;

pub use blob::memory::MemoryStore;
pub use blob::{BlobError, BlobStore, RedisOptions, RedisTls};
pub use bus::memory::MemoryBus;
pub use bus::{
    Acknowledge, Bus, BusError, BusState, Message, NatsLogin, NatsOptions, NatsServer, Received, Subscription,
};
pub use client::{
    Client, ClientBuilder, JobError, JobHandle, NoResult, ProgressEvents, ResultError, Submit, SubmitError,
};
pub use nats::{NatsBus, NatsError};
pub use node::identity::BuildError;
pub use nuncio_core::cap::{
    Acceptance, Authentication, Budget, ClientConfig, ClientLimits, ClientRefused, ComponentId, ErrorCode, FailureKind,
    InvalidKey, InvalidPointer, InvalidSubject, JobMetadata, JobPriority, JobProgress, JobRequest, JobResult,
    JobStatus, Keyring, Load, MapOrder, Pointer, PublicKey, Reading, Scheme, Secret, Signer, SignerFailed, Subject,
    Topic, Verifier, WorkerConfig, WorkerLimits, WorkerRefused,
};
pub use nuncio_core::time::Time;
pub use redis::RedisStore;
pub use server::InvalidOptions;
pub use signer::{PrivateKeyError, RingSigner, RingVerifier, read_public_key, write_public_key};
pub use worker::{Drained, Failure, JobContext, Metrics, Middleware, Next, ProgressReport, Worker, WorkerBuilder};
