//! The environment variables of an application (§1.4).

use std::env::VarError;
use std::time::Duration;

use nuncio_core::caracal::{ApplicationId, BearerToken, ResourceBinding, Secret, Ttl, ZoneId};
use serde::Deserialize;

use super::builder::CaracalBuilder;
use super::error::ConfigError;
use crate::caracal::http::origin::Endpoint;
use crate::caracal::token::TokenSource;
use crate::io::Driver;

const COORDINATOR_URL: &str = "CARACAL_COORDINATOR_URL";
const ZONE_ID: &str = "CARACAL_ZONE_ID";
const APPLICATION_ID: &str = "CARACAL_APPLICATION_ID";
const SUBJECT_TOKEN: &str = "CARACAL_SUBJECT_TOKEN";
const BOOTSTRAP_TOKEN: &str = "CARACAL_BOOTSTRAP_TOKEN";
const APP_CLIENT_SECRET: &str = "CARACAL_APP_CLIENT_SECRET";
const APP_CLIENT_SECRET_FILE: &str = "CARACAL_APP_CLIENT_SECRET_FILE";
const STS_URL: &str = "CARACAL_STS_URL";
const APP_RESOURCES: &str = "CARACAL_APP_RESOURCES";
const GATEWAY_URL: &str = "CARACAL_GATEWAY_URL";
const RESOURCES: &str = "CARACAL_RESOURCES";
const RESOURCES_FILE: &str = "CARACAL_RESOURCES_FILE";
const DEFAULT_TTL_SECONDS: &str = "CARACAL_DEFAULT_TTL_SECONDS";
const ENV: &str = "CARACAL_ENV";
const ALLOW_INSECURE_CONFIG_URLS: &str = "CARACAL_ALLOW_INSECURE_CONFIG_URLS";

impl<D: Driver> CaracalBuilder<D> {
    /// Returns a builder with the settings of the environment. An empty variable counts as one that is not set, and each
    /// error names its variable.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `CARACAL_COORDINATOR_URL` | the base URL of the coordinator; required |
    /// | `CARACAL_ZONE_ID`, `CARACAL_APPLICATION_ID` | the zone and the application; required |
    /// | `CARACAL_SUBJECT_TOKEN`, or `CARACAL_BOOTSTRAP_TOKEN` since 1.0 | the application's token |
    /// | `CARACAL_APP_CLIENT_SECRET`, or `…_FILE` with its path | the client secret; it goes before `CARACAL_SUBJECT_TOKEN` |
    /// | `CARACAL_STS_URL` | the base URL of the token service; required with a client secret |
    /// | `CARACAL_APP_RESOURCES` | the resources that exchanged tokens are for, separated by commas |
    /// | `CARACAL_GATEWAY_URL` | the base URL of the gateway |
    /// | `CARACAL_RESOURCES` | the resources, `id=prefix` separated by commas |
    /// | `CARACAL_RESOURCES_FILE` | a JSON file with more of them, which go before those |
    /// | `CARACAL_DEFAULT_TTL_SECONDS` | the lifetime of sessions that name none |
    /// | `CARACAL_ENV` | `production` requires `https://` for all hosts but this one |
    /// | `CARACAL_ALLOW_INSECURE_CONFIG_URLS` | `true` allows `http://` even then |
    ///
    /// A token or a client secret is required. A JSON Web Token that has expired is refused by
    /// [`build`](CaracalBuilder::build).
    pub fn from_env() -> Result<CaracalBuilder<D>, ConfigError> {
        let variables = Variables::read(&Environment(&|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(ConfigError::NotUnicode(name)),
        }))?;
        let Variables { coordinator, zone, application, token, gateway, resources, ttl, requires_tls } = variables;
        let mut builder = CaracalBuilder::new(&coordinator, zone, application).token(token);
        builder.gateway = gateway;
        builder.resources = resources;
        builder.ttl = ttl;
        builder.requires_tls = requires_tls;
        Ok(builder)
    }
}

/// What the environment says.
struct Variables {
    coordinator: String,
    zone: ZoneId,
    application: ApplicationId,
    token: TokenSource,
    gateway: Option<String>,
    resources: Vec<ResourceBinding>,
    ttl: Option<Ttl>,
    requires_tls: bool,
}

impl Variables {
    fn read(environment: &Environment<'_>) -> Result<Variables, ConfigError> {
        let coordinator = environment.url(COORDINATOR_URL)?.ok_or(ConfigError::Missing(COORDINATOR_URL))?;
        let zone = environment.required(ZONE_ID)?;
        let application = environment.required(APPLICATION_ID)?;
        let is_production = environment.text(ENV)?.as_deref() == Some("production");
        let allows_insecure = environment.flag(ALLOW_INSECURE_CONFIG_URLS)?;
        Ok(Variables {
            coordinator,
            zone: ZoneId::new(&zone).map_err(|error| ConfigError::Id(error).of(ZONE_ID))?,
            application: ApplicationId::new(&application).map_err(|error| ConfigError::Id(error).of(APPLICATION_ID))?,
            token: environment.token()?,
            gateway: environment.url(GATEWAY_URL)?,
            resources: environment.resources()?,
            ttl: environment.ttl()?,
            requires_tls: is_production && !allows_insecure,
        })
    }
}

/// Reads environment variables; an empty one counts as one that is not set.
struct Environment<'a>(&'a dyn Fn(&'static str) -> Result<Option<String>, ConfigError>);

impl Environment<'_> {
    fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        Ok((self.0)(name)?.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
    }

    fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.text(name)?.ok_or(ConfigError::Missing(name))
    }

    fn flag(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.text(name)?.map(|value| value.to_ascii_lowercase()).as_deref() {
            Some("1" | "true" | "yes" | "on") => Ok(true),
            None | Some("0" | "false" | "no" | "off") => Ok(false),
            Some(_) => Err(ConfigError::Value("one of 1, true, yes, on, 0, false, no, off").of(name)),
        }
    }

    /// Returns the base URL of a service, so that the error about a wrong one names the variable.
    fn url(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(url) = self.text(name)? else { return Ok(None) };
        match Endpoint::parse(&url) {
            Ok(_) => Ok(Some(url)),
            Err(error) => Err(ConfigError::Endpoint { service: "service", error }.of(name)),
        }
    }

    fn token(&self) -> Result<TokenSource, ConfigError> {
        let bootstrap = self.text(BOOTSTRAP_TOKEN)?;
        let secret = match (self.text(APP_CLIENT_SECRET)?, self.text(APP_CLIENT_SECRET_FILE)?) {
            (Some(_), Some(_)) => return Err(ConfigError::Both(APP_CLIENT_SECRET, APP_CLIENT_SECRET_FILE)),
            (Some(secret), None) => Some(Secret::new(secret)),
            (None, Some(path)) => Some(secret_file(&path).map_err(|error| error.of(APP_CLIENT_SECRET_FILE))?),
            (None, None) => None,
        };
        if let Some(secret) = secret {
            if bootstrap.is_some() {
                return Err(ConfigError::Both(APP_CLIENT_SECRET, BOOTSTRAP_TOKEN));
            }
            let service = self.url(STS_URL)?.ok_or(ConfigError::Missing(STS_URL))?;
            let resources = self.text(APP_RESOURCES)?.unwrap_or_default();
            let resources = resources.split(',').map(str::trim).filter(|resource| !resource.is_empty());
            return Ok(TokenSource::secret(&service, secret).resources(resources));
        }
        let (variable, token) = match (self.text(SUBJECT_TOKEN)?, bootstrap) {
            (Some(_), Some(_)) => return Err(ConfigError::Both(SUBJECT_TOKEN, BOOTSTRAP_TOKEN)),
            (Some(token), None) => (SUBJECT_TOKEN, token),
            (None, Some(token)) => (BOOTSTRAP_TOKEN, token),
            (None, None) => return Err(ConfigError::MissingEither(SUBJECT_TOKEN, APP_CLIENT_SECRET)),
        };
        let token = BearerToken::new(&token).map_err(|error| ConfigError::Token(error).of(variable))?;
        Ok(TokenSource::fixed(token))
    }

    fn resources(&self) -> Result<Vec<ResourceBinding>, ConfigError> {
        let mut resources = match self.text(RESOURCES_FILE)? {
            Some(path) => resource_file(&path).map_err(|error| error.of(RESOURCES_FILE))?,
            None => Vec::new(),
        };
        let list = self.text(RESOURCES)?.unwrap_or_default();
        for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let parts = entry.split_once('=').map(|(resource, prefix)| (resource.trim(), prefix.trim()));
            match parts {
                Some((resource, prefix)) if !resource.is_empty() && !prefix.is_empty() => {
                    resources.push(ResourceBinding { resource: resource.into(), prefix: prefix.into() });
                }
                Some(_) | None => return Err(ConfigError::Resource(entry.to_owned()).of(RESOURCES)),
            }
        }
        Ok(resources)
    }

    fn ttl(&self) -> Result<Option<Ttl>, ConfigError> {
        let Some(text) = self.text(DEFAULT_TTL_SECONDS)? else { return Ok(None) };
        let ttl = text.parse().ok().and_then(Ttl::from_secs);
        ttl.map(Some).ok_or(ConfigError::Value("a number of seconds from 1 to 86400").of(DEFAULT_TTL_SECONDS))
    }
}

/// Returns a lifetime in whole seconds, rounded up.
pub(in crate::caracal) fn ttl_of(lifetime: Duration) -> Option<Ttl> {
    let secs = lifetime.as_secs().checked_add(u64::from(lifetime.subsec_nanos() > 0))?;
    Ttl::from_secs(u32::try_from(secs).ok()?)
}

fn read(path: &str) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::File { path: path.to_owned(), error })
}

fn secret_file(path: &str) -> Result<Secret, ConfigError> {
    let secret = Secret::new(read(path)?);
    let trimmed = secret.expose().trim();
    if trimmed.is_empty() { Err(ConfigError::Value("a file with a secret in it")) } else { Ok(Secret::new(trimmed)) }
}

fn resource_file(path: &str) -> Result<Vec<ResourceBinding>, ConfigError> {
    #[derive(Deserialize)]
    struct Binding {
        resource_id: Box<str>,
        upstream_prefix: Box<str>,
    }
    let text = read(path)?;
    let wrong = |error| ConfigError::ResourceFile { path: path.to_owned(), error };
    let bindings: Vec<(Box<str>, Box<str>)> = if text.trim_start().starts_with('[') {
        let list: Vec<Binding> = serde_json::from_str(&text).map_err(wrong)?;
        list.into_iter().map(|binding| (binding.resource_id, binding.upstream_prefix)).collect()
    } else {
        let map: std::collections::BTreeMap<Box<str>, Box<str>> = serde_json::from_str(&text).map_err(wrong)?;
        map.into_iter().collect()
    };
    Ok(bindings.into_iter().map(|(resource, prefix)| ResourceBinding { resource, prefix }).collect())
}

#[cfg(test)]
#[path = "env_tests.rs"]
mod tests;
