//! Operations that people approve before an agent does them: `--ask`.

use std::fmt;
use std::str::FromStr;

use nuncio_tokio::arcp::{Lease, LeaseError, LeaseRequest, Namespace};
use serde::Deserialize;

/// The value of `--ask`: `NAMESPACE=PATTERN`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Marked {
    namespace: Namespace,
    pattern: String,
}

impl FromStr for Marked {
    type Err = String;

    fn from_str(text: &str) -> Result<Marked, String> {
        const FORMAT: &str = "write it as NAMESPACE=PATTERN, such as tool.call=payments.*";
        let (namespace, pattern) = text.split_once('=').ok_or(FORMAT)?;
        let Some(namespace) = Namespace::parse(namespace).filter(|namespace| *namespace != Namespace::CostBudget)
        else {
            return Err(format!(
                "{namespace:?} is not a namespace of operations, such as tool.call, fs.write, net.fetch, model.use or \
                 agent.delegate"
            ));
        };
        let marked = Marked { namespace, pattern: pattern.to_owned() };
        lease([&marked]).map_err(|error| error.to_string())?;
        Ok(marked)
    }
}

impl TryFrom<String> for Marked {
    type Error = String;

    fn try_from(text: String) -> Result<Marked, String> {
        text.parse()
    }
}

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.namespace, self.pattern)
    }
}

/// Returns the operations that the values match, as a lease.
pub(super) fn lease<'a>(marked: impl IntoIterator<Item = &'a Marked>) -> Result<Lease, LeaseError> {
    let request = marked.into_iter().fold(LeaseRequest::new(), |request, Marked { namespace, pattern }| {
        request.allow(namespace.clone(), pattern.as_str())
    });
    request.build()
}
