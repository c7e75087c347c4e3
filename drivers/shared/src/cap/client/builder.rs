//! Making a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::cap::{ClientConfig, ClientProduction, Keyring, Signer, Verifier};

use super::Client;
use super::state::{ClientRole, ClientState};
use crate::cap::blob::BlobStore;
use crate::cap::bus::Bus;
use crate::cap::node::hub::Hub;
use crate::cap::node::identity::{BuildError, Identity};
use crate::cap::node::{link, owner::Owner};
use crate::io::clock::Clock;
use crate::io::{Driver, random};

/// A change of the machine's settings.
type Change = Box<dyn FnOnce(&mut ClientConfig) + Send>;

/// Makes a client, on the driver `D`.
#[must_use = "a builder does nothing until `connect` is called"]
pub struct ClientBuilder<D: Driver> {
    identity: Identity,
    changes: Vec<Change>,
    input_ttl: Option<Duration>,
    io_timeout: Duration,
    max_output: usize,
    io: Option<Arc<D::Thread>>,
}

impl<D: Driver> Client<D> {
    /// Returns a builder of a client.
    pub fn builder() -> ClientBuilder<D> {
        ClientBuilder {
            identity: Identity::new(),
            changes: Vec::new(),
            input_ttl: Some(Duration::from_hours(24)),
            io_timeout: Duration::from_secs(5),
            max_output: 16 << 20,
            io: None,
        }
    }
}

impl<D: Driver> ClientBuilder<D> {
    /// Sets the id, which is the sender of the client's packets. Default: a random one.
    pub fn id(mut self, id: impl Into<String>) -> ClientBuilder<D> {
        self.identity.id = Some(id.into());
        self
    }

    /// Sets the key that packets are signed with. Default: none, and packets are sent unsigned.
    pub fn signer(mut self, signer: impl Signer + 'static) -> ClientBuilder<D> {
        self.identity.signer = Some(Arc::new(signer));
        self
    }

    /// Sets the keys of those whose packets are accepted, by the id of the sender. Default: none, and packets are accepted
    /// from everyone who reaches the bus, signed or not.
    pub fn keys(mut self, keys: Keyring) -> ClientBuilder<D> {
        self.identity.keys = Some(keys);
        self
    }

    /// Sets what verifies signatures. Default: `ring`.
    pub fn verifier(mut self, verifier: impl Verifier + 'static) -> ClientBuilder<D> {
        self.identity.verifier = Arc::new(verifier);
        self
    }

    /// Sets the time for which inputs are stored; `None` for ever. Default: 24 h.
    pub fn input_ttl(mut self, ttl: Option<Duration>) -> ClientBuilder<D> {
        self.input_ttl = ttl;
        self
    }

    /// Sets the limit for an operation of the blob store. Default: 5 s.
    pub fn io_timeout(mut self, limit: Duration) -> ClientBuilder<D> {
        self.io_timeout = limit;
        self
    }

    /// Sets the most bytes of an output that are read. Default: 16 MiB.
    pub fn max_result_bytes(mut self, bytes: usize) -> ClientBuilder<D> {
        self.max_output = bytes;
        self
    }

    /// Lets packets about jobs have the form of the production profile (2.17, spec/19), which needs a
    /// [`signer`](ClientBuilder::signer). Default: none, and they have the generic form.
    pub fn production(self, production: ClientProduction) -> ClientBuilder<D> {
        self.configure(move |config| config.production = Some(production))
    }

    /// Changes any setting of the machine. The signer is set by [`connect`](ClientBuilder::connect).
    pub fn configure(mut self, change: impl FnOnce(&mut ClientConfig) + Send + 'static) -> ClientBuilder<D> {
        self.changes.push(Box::new(change));
        self
    }

    /// Sets a thread to share with other clients and workers. Default: that of the bus if it has one, and else one of the
    /// client's own.
    pub fn io_thread(mut self, thread: Arc<D::Thread>) -> ClientBuilder<D> {
        self.io = Some(thread);
        self
    }

    /// Starts the client on a bus and a blob store. It need not be connected yet: jobs are published when it is.
    pub fn connect(mut self, bus: impl Bus, store: impl BlobStore) -> Result<Client<D>, BuildError> {
        let id = self.identity.id("client")?;
        let reading = self.identity.reading(&id);
        let mut config = ClientConfig::new(id.clone(), reading, self.identity.verifier);
        for change in self.changes {
            change(&mut config);
        }
        config.signer = self.identity.signer;
        let sealed_principal = config.production.as_ref().map(|production| production.identity.principal_id.clone());
        let clock = Clock::start();
        let machine = nuncio_core::cap::Client::new(config, random::seed()?, clock.now());
        let role = ClientRole {
            id: id.to_string(),
            sealed_principal,
            store: Arc::new(store),
            input_ttl: self.input_ttl,
            io_timeout: self.io_timeout,
            max_output: self.max_output,
        };
        let thread = link::thread::<D>(self.io, &bus, "nuncio-client")?;
        let hub = Hub::new(role, ClientState::new(machine), clock, Arc::new(bus), thread);
        link::start(&hub);
        Ok(Client::new(Arc::new(Owner { hub })))
    }
}

impl<D: Driver> fmt::Debug for ClientBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("id", &self.identity.id).finish_non_exhaustive()
    }
}
