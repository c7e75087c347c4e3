//! Options that name applications, their secrets and what they are granted.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use nuncio_tokio::caracal::Secret;

use crate::error::Error;
use crate::files;

/// The applications of a coordinator.
#[derive(Args, Debug)]
#[command(next_help_heading = "Applications")]
pub(super) struct Applications {
    /// Application with its client secret. Repeat it, or separate applications with commas, for more
    ///
    /// Other users of this machine can read it in the list of processes; prefer --application-file or the environment
    /// variable.
    #[arg(
        long = "application",
        value_name = "APP=SECRET",
        env = "NUNCIO_CARACAL_APPLICATIONS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    applications: Vec<Application>,
    /// File of applications, which has an APP=SECRET per line and comments that start with #
    #[arg(long, value_name = "FILE")]
    application_file: Option<PathBuf>,
    /// Further scope that an application can ask for, such as `app-a=coordinator.delegate_to:app-b`. Repeat it for more
    #[arg(long = "grant", value_name = "APP=SCOPE")]
    grants: Vec<Grant>,
}

/// `APP=SECRET`.
#[derive(Clone, Debug)]
pub(super) struct Application {
    pub(super) id: String,
    pub(super) secret: Secret,
}

impl FromStr for Application {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Application, &'static str> {
        match text.split_once('=') {
            Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
                Ok(Application { id: id.to_owned(), secret: Secret::new(secret) })
            }
            // The text is not repeated: it may be a secret.
            _ => Err("write it as APP=SECRET"),
        }
    }
}

/// `APP=SCOPE`.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) application: String,
    pub(super) scope: String,
}

impl FromStr for Grant {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Grant, &'static str> {
        match text.split_once('=') {
            Some((application, scope)) if !application.is_empty() && !scope.is_empty() && !scope.contains(' ') => {
                Ok(Grant { application: application.to_owned(), scope: scope.to_owned() })
            }
            _ => Err("write it as APP=SCOPE"),
        }
    }
}

impl Applications {
    /// Returns the applications, of the options and of the file.
    pub(super) fn read(&self) -> Result<Vec<Application>, Error> {
        let mut all = self.applications.clone();
        if let Some(path) = &self.application_file {
            let name = path.display();
            let text = fs::read_to_string(path).map_err(|error| {
                Error::Usage(format!("--application-file: cannot read {name}: {error}{}", files::advice(&error)))
            })?;
            let lines = (1..).zip(text.lines().map(str::trim));
            for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
                let read: Result<Application, _> = line.parse();
                all.push(read.map_err(|error| {
                    Error::Usage(format!("--application-file: line {number} of {name} is not valid: {error}"))
                })?);
            }
        }
        if all.is_empty() {
            return Err(Error::Usage(
                "there is no application; give --application APP=SECRET or --application-file FILE, or set \
                 NUNCIO_CARACAL_APPLICATIONS"
                    .to_owned(),
            ));
        }
        Ok(all)
    }

    pub(super) fn grants(&self) -> &[Grant] {
        &self.grants
    }
}
