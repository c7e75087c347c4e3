use std::io;

use nuncio_core::caracal::{InvalidHeader, InvalidId, InvalidRoutes};

use crate::caracal::http::origin::InvalidEndpoint;

/// Why an application cannot be configured. No message contains a token or a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An environment variable is missing.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// Neither of two environment variables is set.
    #[error("neither {0} nor {1} is set, and one of them is needed")]
    MissingEither(&'static str, &'static str),
    /// Two environment variables are set that exclude each other.
    #[error("{0} and {1} are both set, and only one of them can be")]
    Both(&'static str, &'static str),
    /// An environment variable is not UTF-8.
    #[error("the environment variable {0} is not UTF-8")]
    NotUnicode(&'static str),
    /// The value of an environment variable is wrong.
    #[error("the environment variable {variable} cannot be used: {error}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value.
        error: Box<ConfigError>,
    },
    /// The URL of a service is malformed.
    #[error("the URL of the {service} is wrong: {error}")]
    Endpoint {
        /// The service, such as `coordinator`.
        service: &'static str,
        /// What is wrong with it.
        error: InvalidEndpoint,
    },
    /// An id is malformed.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The token cannot be sent.
    #[error("the token cannot be sent: {0}")]
    Token(InvalidHeader),
    /// The token has expired.
    #[error("the token has expired; get another one, and check this machine's clock")]
    ExpiredToken,
    /// No token is configured.
    #[error("no source of tokens is configured")]
    NoToken,
    /// The gateway or a resource is malformed.
    #[error(transparent)]
    Routes(#[from] InvalidRoutes),
    /// An entry of a list of resources is not `id=prefix`.
    #[error("the resource {0:?} is not of the form id=prefix")]
    Resource(String),
    /// A file cannot be read.
    #[error("the file {path:?} cannot be read: {error}")]
    File {
        /// The file.
        path: String,
        /// What went wrong.
        error: io::Error,
    },
    /// A file of resources is neither an object of prefixes nor a list of bindings.
    #[error(
        "the file {path:?} is neither an object {{\"id\": \"prefix\"}} nor a list of resource_id and upstream_prefix: {error}"
    )]
    ResourceFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A number or a flag is malformed.
    #[error("it is not {0}")]
    Value(&'static str),
    /// `https://` needs TLS, which the driver was built without.
    #[error("https:// needs the driver's feature `tls`")]
    NoTls,
    /// The system refuses a thread or randomness.
    #[error("the system has no thread or no randomness to give: {0}")]
    System(#[from] io::Error),
}

impl ConfigError {
    /// Returns this error as that of an environment variable.
    pub(crate) fn of(self, variable: &'static str) -> ConfigError {
        ConfigError::Variable { variable, error: Box::new(self) }
    }
}
