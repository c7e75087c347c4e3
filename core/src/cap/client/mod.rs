//! The client of CAP. It submits jobs to the bus and waits for their results.
//!
//! ```text
//!  handle_packet     receive.rs
//!  handle_timeout    timeout.rs
//!  host              commands.rs   connection.rs
//!                         |
//!  send.rs           packets are sealed and published
//!                         |
//!  components        Jobs   the queue of outputs
//! ```
//!
//! The bus may lose packets. If nothing is heard of a job for a while, its request is sent again with the same job id.
//! After a lost connection, all requests are sent again. A router or a worker that knows the job publishes its result
//! again.

mod commands;
pub(crate) mod config;
mod connection;
mod jobs;
pub(crate) mod output;
mod receive;
mod send;
mod state;
mod timeout;
mod wall;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use self::config::ClientConfig;
use self::jobs::Jobs;
use self::output::{ClientJob, ClientOutput, ClientTimer};
use crate::cap::signature::profile::ProductionPackets;
use crate::clock::Clock;
use crate::random::Random;
use crate::time::Time;

/// One client on a bus.
///
/// ```
/// use std::sync::Arc;
///
/// use nuncio_core::cap::{Authentication, Client, ClientConfig, ClientOutput, ComponentId, JobRequest, PublicKey};
/// use nuncio_core::cap::{Reading, Subject, Verifier};
/// use nuncio_core::time::Time;
///
/// #[derive(Debug)]
/// struct Nothing; // a verifier is not asked about unsigned packets
/// impl Verifier for Nothing {
///     fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
///         false
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let reading = Reading::new(Authentication::Unsigned);
/// let config = ClientConfig::new(ComponentId::new("client-1")?, reading, Arc::new(Nothing));
/// let now = Time(1_779_000_000_000_000);
/// let mut client = Client::new(config, [7; 32], now); // with 32 random bytes
/// client.handle_connected(now);
/// client.submit(now, JobRequest { topic: "job.echo".into(), ..JobRequest::default() }, "", None)?;
/// let mut outputs = core::iter::from_fn(|| client.poll_output());
/// assert!(outputs.any(|output| matches!(output, ClientOutput::Publish { subject: Subject::JobSubmit, .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
    random: Random,
    clock: Clock,
    is_connected: bool,
    /// Packets of the production profile, if the settings ask for it.
    production: Option<ProductionPackets>,
    jobs: Jobs,
    outputs: VecDeque<ClientOutput>,
}

impl Client {
    /// Returns a client whose bus is not there yet. The same seed and the same inputs give the same outputs, byte for byte,
    /// if the signer is deterministic.
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Time) -> Client {
        Client {
            production: config.production.as_ref().map(|production| ProductionPackets::new(production.terms)),
            config: Arc::new(config),
            random: Random::new(seed),
            clock: Clock::new(now),
            is_connected: false,
            jobs: Jobs::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Returns the next output, if there is one. Outputs are acted on in this order.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    /// Returns the next deadline and its reason. [`Client::handle_timeout`] is called when it has passed.
    pub fn poll_timeout(&self) -> Option<(Time, ClientTimer)> {
        self.jobs.next()
    }

    /// Returns the approximate number of bytes that the client holds, what was not polled yet included.
    pub fn bytes_held(&self) -> usize {
        let output = |output: &ClientOutput| match output {
            ClientOutput::Publish { bytes, .. } => bytes.len(),
            ClientOutput::Subscribe { .. } | ClientOutput::Event(_) => 0,
        };
        let outputs: usize = self.outputs.iter().map(|waiting| size_of::<ClientOutput>() + output(waiting)).sum();
        size_of::<Client>() + self.jobs.held() + outputs + self.production.as_ref().map_or(0, ProductionPackets::bytes)
    }

    /// Returns the number of jobs whose result is awaited.
    pub fn awaited(&self) -> usize {
        self.jobs.len()
    }

    /// Returns whether anything was heard of a job: progress, or a sign that a worker has it. Of a job that is no longer
    /// awaited, that is true.
    pub fn is_heard(&self, job: ClientJob) -> bool {
        self.jobs.unheard(job).is_none()
    }

    /// Advances the time, which never steps back.
    fn advance(&mut self, now: Time) {
        self.clock.advance(now);
    }
}
