//! Options of the trust session of `nuncio cap worker`.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use nuncio_core::cap::{ComponentId, Keyring};
use nuncio_tokio::cap::{RingSigner, TrustNames, TrustSettings, WorkerBuilder, WorkerTrust};

use crate::commands::cap::keys::{PUBLIC, component_id};
use crate::error::Error;

/// Whether the worker proves itself to a scheduler.
#[derive(Args, Debug)]
#[command(next_help_heading = "Trust")]
pub(super) struct Trust {
    /// Scheduler that the worker proves itself to: only its jobs and cancellations are taken, and its key is that of
    /// SCHEDULER.pub.pem in --keys [default: none, and jobs of every sender in --keys are taken]
    #[arg(long, value_name = "ID", value_parser = component_id, requires = "tenant", requires = "agent", conflicts_with = "unsigned")]
    scheduler: Option<ComponentId>,
    /// Tenant of the worker, as it is enrolled
    #[arg(long, value_name = "NAME", requires = "scheduler")]
    tenant: Option<String>,
    /// Agent of the worker, as it is enrolled
    #[arg(long, value_name = "NAME", requires = "scheduler")]
    agent: Option<String>,
    /// What the worker does while the scheduler cannot be reached
    #[arg(long, value_enum, default_value_t = Mode::Enforce, requires = "scheduler")]
    trust: Mode,
}

/// [`WorkerTrust`] as an option.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// It takes jobs without a session
    Warn,
    /// It takes no jobs
    Enforce,
}

impl Trust {
    /// Lets a worker prove itself, if a scheduler is named.
    pub(super) fn apply(
        &self,
        id: &ComponentId,
        signer: Arc<RingSigner>,
        keys: &Keyring,
        builder: WorkerBuilder,
    ) -> Result<WorkerBuilder, Error> {
        let Some(scheduler) = &self.scheduler else { return Ok(builder) };
        let usage = |error: &dyn std::fmt::Display| Error::Usage(format!("--scheduler {scheduler}: {error}"));
        let mut pinned = Keyring::default();
        for key in keys.of(scheduler.as_str()) {
            pinned.add(scheduler.as_str(), *key).map_err(|error| usage(&error))?;
        }
        if pinned.of(scheduler.as_str()).is_empty() {
            return Err(usage(&format!("there is no {scheduler}{PUBLIC} in --keys")));
        }
        let names = TrustNames {
            agent_id: self.agent.clone().unwrap_or_default(),
            tenant_id: self.tenant.clone().unwrap_or_default(),
            proof_key_id: id.as_str().to_owned(),
            scheduler_id: scheduler.as_str().to_owned(),
        };
        let settings = TrustSettings::new(names, signer, pinned).map_err(|error| usage(&error))?;
        let settings = Arc::new(settings);
        Ok(builder.trust(match self.trust {
            Mode::Warn => WorkerTrust::Warn(settings),
            Mode::Enforce => WorkerTrust::Enforce(settings),
        }))
    }
}
