//! Options of the trust session of `nuncio cap worker`.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use nuncio_core::cap::{ComponentId, Keyring};
use nuncio_tokio::cap::{Production, RingSigner, TrustNames, TrustSettings, WorkerTrust};

use crate::commands::cap::keys::{component_id, of_one};
use crate::error::Error;

/// Whether the worker proves itself to a scheduler.
#[derive(Args, Debug)]
#[command(next_help_heading = "Trust")]
pub(super) struct Trust {
    /// Scheduler to which the worker proves its identity. Only its jobs and cancellations are accepted. Its key is
    /// SCHEDULER.pub.pem in --keys [default: none: jobs of every sender in --keys are accepted]
    #[arg(long, value_name = "ID", value_parser = component_id, requires = "tenant", requires = "agent", conflicts_with = "unsigned")]
    scheduler: Option<ComponentId>,
    /// Tenant with which the worker is enrolled
    #[arg(long, value_name = "NAME", requires = "scheduler")]
    tenant: Option<String>,
    /// Agent with which the worker is enrolled
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
    /// Returns how a worker proves itself, if a scheduler is named, and seals its packets, if there are terms for that.
    pub(super) fn get(
        &self,
        id: &ComponentId,
        production: Option<Production>,
        signer: Arc<RingSigner>,
        keys: &Keyring,
    ) -> Result<WorkerTrust, Error> {
        let Some(scheduler) = &self.scheduler else {
            let without = || Error::Usage("--production needs --scheduler ID, whose jobs the worker takes".to_owned());
            return if production.is_some() { Err(without()) } else { Ok(WorkerTrust::Off) };
        };
        let usage = |error: &dyn std::fmt::Display| Error::Usage(format!("--scheduler {scheduler}: {error}"));
        let pinned = of_one(keys, scheduler).map_err(|error| usage(&error))?;
        let names = TrustNames {
            agent_id: self.agent.clone().unwrap_or_default(),
            tenant_id: self.tenant.clone().unwrap_or_default(),
            proof_key_id: id.as_str().to_owned(),
            scheduler_id: scheduler.as_str().to_owned(),
        };
        let settings = TrustSettings::new(names, signer, pinned).map_err(|error| usage(&error))?;
        let settings = Arc::new(settings);
        match (self.trust, production) {
            (Mode::Warn, None) => Ok(WorkerTrust::Warn(settings)),
            (Mode::Enforce, None) => Ok(WorkerTrust::Enforce(settings)),
            (Mode::Enforce, Some(terms)) => Ok(WorkerTrust::Production(settings, terms)),
            (Mode::Warn, Some(_)) => {
                let message = "--production and --trust warn exclude each other: sealed packets need a session";
                Err(Error::Usage(message.to_owned()))
            }
        }
    }
}
