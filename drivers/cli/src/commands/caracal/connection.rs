//! Options of a client of a coordinator: where it is, and which application asks.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use nuncio_tokio::auth::{Authorities, ClientTls};
use nuncio_tokio::caracal::{
    ApplicationId, BearerToken, CallError, CallFailure, Caracal, ConfigError, InvalidEndpoint, ResourceBinding, Secret,
    TokenFault, TokenSource, Ttl, ZoneId,
};

use super::coordinator::Mode;
use super::refusals::advice_on;
use crate::error::Error;
use crate::files;

/// The coordinator, the application and its secret.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(super) struct Connection {
    /// Base URL of the coordinator, such as `http://127.0.0.1:4000`
    #[arg(long, value_name = "URL", env = "CARACAL_COORDINATOR_URL", hide_env_values = true)]
    coordinator: Option<String>,
    /// Base URL of the token service [default: the URL of the coordinator]
    #[arg(long, value_name = "URL", env = "CARACAL_STS_URL", hide_env_values = true)]
    sts: Option<String>,
    /// Id of the zone
    #[arg(long, value_name = "ID", env = "CARACAL_ZONE_ID", hide_env_values = true)]
    zone: Option<String>,
    /// Id of the application that asks
    #[arg(long, value_name = "ID", env = "CARACAL_APPLICATION_ID", hide_env_values = true)]
    application: Option<String>,
    /// File that holds the client secret of the application [default: the secret in `CARACAL_APP_CLIENT_SECRET`, or in the
    /// file that `CARACAL_APP_CLIENT_SECRET_FILE` names, or the token in `CARACAL_SUBJECT_TOKEN`]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Further scope of the token, such as `coordinator.delegate_to:app-b`. Repeat it for more
    #[arg(long = "token-scope", value_name = "SCOPE", value_parser = token_scope)]
    token_scopes: Vec<String>,
    /// Generation of the coordinator
    #[arg(long, value_enum, default_value_t = Mode::May)]
    mode: Mode,
    /// PEM file of the certificate authorities to trust for https:// URLs [default: those of the system]
    #[arg(long, value_name = "FILE", env = "NUNCIO_CA_FILE", hide_env_values = true)]
    ca_file: Option<PathBuf>,
}

fn token_scope(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains(' ') { Err("write one scope, without spaces") } else { Ok(text.to_owned()) }
}

/// An application that is connected.
pub(super) struct Connected {
    pub(super) caracal: Caracal,
    /// The URL of the coordinator, without a slash at its end.
    pub(super) url: String,
}

impl Connection {
    /// Returns the application. Nothing is sent before its first call.
    pub(super) fn open(&self) -> Result<Connected, Error> {
        self.open_for(None)
    }

    /// Returns the application, whose tokens have this lifetime.
    pub(super) fn open_for(&self, lifetime: Option<Ttl>) -> Result<Connected, Error> {
        let coordinator = needed(self.coordinator.as_deref(), "--coordinator URL", "CARACAL_COORDINATOR_URL")?;
        let zone = needed(self.zone.as_deref(), "--zone ID", "CARACAL_ZONE_ID")?;
        let application = needed(self.application.as_deref(), "--application ID", "CARACAL_APPLICATION_ID")?;
        let zone = ZoneId::new(zone).map_err(|error| Error::Usage(format!("--zone: {error}")))?;
        let application =
            ApplicationId::new(application).map_err(|error| Error::Usage(format!("--application: {error}")))?;
        let mut source = self.source(coordinator)?.scopes(&self.token_scopes);
        if let Some(lifetime) = lifetime {
            source = source.ttl(lifetime);
        }
        // Listings are fetched with the token of the application, too.
        let url = coordinator.trim_end_matches('/').to_owned();
        let bound = ResourceBinding { resource: "coordinator".into(), prefix: url.as_str().into() };
        let mut builder = Caracal::builder(coordinator, zone, application)
            .token(source)
            .generation(self.mode.generation())
            .resource(bound);
        let allows_insecure = || {
            let allowed = variable("CARACAL_ALLOW_INSECURE_CONFIG_URLS").map(|value| value.to_ascii_lowercase());
            matches!(allowed.as_deref(), Some("1" | "true" | "yes" | "on"))
        };
        if variable("CARACAL_ENV").as_deref() == Some("production") && !allows_insecure() {
            builder = builder.require_tls();
        }
        if let Some(file) = &self.ca_file {
            let tls = Authorities::from_file(file).and_then(ClientTls::new);
            builder = builder.tls(tls.map_err(|error| Error::Usage(format!("--ca-file: {error}")))?);
        }
        let caracal = builder.build().map_err(|error| self.wrong(&error))?;
        Ok(Connected { caracal, url })
    }

    /// Says which setting is wrong, and how it is written.
    fn wrong(&self, error: &ConfigError) -> Error {
        let ConfigError::Endpoint { service, error } = error else { return Error::Usage(error.to_string()) };
        let (option, name, value) = match (*service, self.sts.as_deref()) {
            ("token service", Some(url)) => ("--sts", "CARACAL_STS_URL", url),
            _ => ("--coordinator", "CARACAL_COORDINATOR_URL", self.coordinator.as_deref().unwrap_or_default()),
        };
        let setting = if std::env::var(name).is_ok_and(|set| set == value) { name } else { option };
        // What is before an @ or behind a ? may be secret.
        let value = if value.contains(['@', '?', '#']) { String::new() } else { format!(" {value:?}") };
        let form = if *error == InvalidEndpoint::Insecure { "https://HOST:PORT" } else { "http://HOST:PORT" };
        Error::Usage(format!("the URL{value} of {setting} cannot be used: {error}; write it as {form}"))
    }

    fn source(&self, coordinator: &str) -> Result<TokenSource, Error> {
        let secret = match (&self.secret_file, variable("CARACAL_APP_CLIENT_SECRET")) {
            (Some(file), _) => Some(read_secret(file)?),
            (None, Some(secret)) => Some(Secret::new(secret)),
            (None, None) => match variable("CARACAL_APP_CLIENT_SECRET_FILE") {
                Some(file) => Some(read_secret(&PathBuf::from(file))?),
                None => None,
            },
        };
        if let Some(secret) = secret {
            let sts = self.sts.as_deref().map(str::trim).filter(|url| !url.is_empty());
            return Ok(TokenSource::secret(sts.unwrap_or(coordinator), secret));
        }
        for name in ["CARACAL_SUBJECT_TOKEN", "CARACAL_BOOTSTRAP_TOKEN"] {
            if let Some(token) = variable(name) {
                let token = BearerToken::new(&token).map_err(|error| Error::Usage(format!("{name}: {error}")))?;
                return Ok(TokenSource::fixed(token));
            }
        }
        Err(Error::Usage(
            "there is no client secret; give --secret-file FILE, or set CARACAL_APP_CLIENT_SECRET, \
             CARACAL_APP_CLIENT_SECRET_FILE or CARACAL_SUBJECT_TOKEN"
                .to_owned(),
        ))
    }
}

fn needed<'a>(value: Option<&'a str>, option: &str, name: &str) -> Result<&'a str, Error> {
    let value = value.map(str::trim).filter(|value| !value.is_empty());
    value.ok_or_else(|| Error::Usage(format!("{name} is not set; set it, or give {option}")))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn read_secret(path: &std::path::Path) -> Result<Secret, Error> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map(Secret::new);
    let text = text.map_err(|error| {
        Error::Usage(format!("cannot read the secret file {name}: {error}{}", files::advice(&error)))
    })?;
    match text.expose().trim() {
        "" => Err(Error::Usage(format!("there is no secret in {name}; write the secret into it, on one line"))),
        secret => Ok(Secret::new(secret)),
    }
}

/// Returns a lifetime of whole seconds, rounded up, as an option.
pub(super) fn ttl(text: &str) -> Result<Ttl, &'static str> {
    let duration: Duration = crate::time::positive_duration(text)?;
    let secs = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    u32::try_from(secs).ok().and_then(Ttl::from_secs).ok_or("the duration must be 1 second to 1 day")
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Error {
        let sentence = error.to_string();
        match error {
            CallError::Refused(fault) => Error::Refused(match advice_on(fault.status, fault.code.as_deref()) {
                Some(advice) => format!("the coordinator refused the call: {sentence}; {advice}"),
                None => format!("the coordinator refused the call: {sentence}"),
            }),
            CallError::NoToken(TokenFault::Service(cause)) => Error::Unanswered(format!(
                "the token service does not answer: {cause}; check that it is running there, and that --sts or CARACAL_STS_URL, \
                 or else the URL of the coordinator, is right"
            )),
            CallError::NoToken(TokenFault::Exchange(_)) => Error::Refused(format!(
                "{sentence}; check the zone, the application and its secret, and the URL of the token service with its path: that \
                 of --sts or CARACAL_STS_URL, or else that of the coordinator"
            )),
            CallError::NoToken(TokenFault::Fixed) => {
                Error::Refused(format!("{sentence}; check the zone, the application and its token"))
            }
            CallError::Unreachable(_) | CallError::Failed(CallFailure::Unreachable) | CallError::NoToken(_) => {
                Error::NoCoordinator(sentence)
            }
            CallError::Ttl | CallError::Metadata(_) | CallError::NoSession | CallError::TooManyHops(_) => {
                Error::Usage(sentence)
            }
            _ => Error::Unanswered(sentence),
        }
    }
}
