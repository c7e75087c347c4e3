//! Test credentials (`--creds`).

use std::io;

use nuncio_tokio::{BoxFuture, Credential, Fault, Grant, Provisioner, Revocation, Secret};
use serde_json::{Map, Value};

/// Issues one bearer credential per job whose lease names `model.use`; it is good for nothing.
pub(crate) struct Issuer;

impl Provisioner for Issuer {
    fn issue<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Result<Vec<Credential>, Fault>> {
        Box::pin(std::future::ready(credentials(grant).map_err(|error| Fault::invalid(error.to_string()))))
    }

    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> BoxFuture<'a, io::Result<()>> {
        tracing::info!(job = %revocation.job, credential = revocation.id, "a credential is revoked");
        Box::pin(std::future::ready(Ok(())))
    }
}

fn credentials(grant: &Grant) -> Result<Vec<Credential>, serde_json::Error> {
    let mut constraints: Map<String, Value> = serde_json::from_str(&grant.lease.to_json())?;
    if !constraints.contains_key("model.use") {
        return Ok(Vec::new());
    }
    constraints.retain(|namespace, _| matches!(namespace.as_str(), "model.use" | "cost.budget"));
    if let Some(time) = grant.expires_at {
        constraints.insert("expires_at".to_owned(), time.to_rfc3339().into());
    }
    let job = grant.job.to_string();
    Ok(vec![Credential {
        id: format!("cred_{}", job.trim_start_matches("job_")),
        value: Secret::new(format!("sk-virt-{job}")),
        endpoint: "http://127.0.0.1:9/v1".to_owned(),
        profile: Some("openai".to_owned()),
        constraints: Some(serde_json::value::to_raw_value(&constraints)?),
    }])
}
