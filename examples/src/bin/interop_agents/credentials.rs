//! The provisioner of `--creds`, whose keys belong to no real service.

use std::io;

use nuncio_shared::arcp::{Credential, Fault, Grant, Json, Provisioner, Revocation, Secret};
use serde_json::{Map, Value};

/// Issues one credential to each job whose lease names `model.use`.
pub(crate) struct VirtualKeys;

impl Provisioner for VirtualKeys {
    async fn issue(&self, grant: &Grant) -> Result<Vec<Credential>, Fault> {
        Ok(key(grant).into_iter().collect())
    }

    async fn revoke(&self, revocation: &Revocation) -> io::Result<()> {
        tracing::info!(job = %revocation.job, id = revocation.id, "revoked");
        Ok(())
    }
}

fn key(grant: &Grant) -> Option<Credential> {
    let lease: Map<String, Value> = serde_json::from_str(&grant.lease.to_json()).ok()?;
    let models = lease.get("model.use")?.clone();
    let mut constraints = Map::from_iter([("model.use".to_owned(), models)]);
    if let Some(budget) = lease.get("cost.budget") {
        constraints.insert("cost.budget".to_owned(), budget.clone());
    }
    if let Some(end) = grant.expires_at {
        constraints.insert("expires_at".to_owned(), end.to_rfc3339().into());
    }
    let job = grant.job.to_string();
    Some(Credential {
        // A job has one credential, so the job's ULID makes its id unique.
        id: format!("cred_{}", job.trim_start_matches("job_")),
        value: Secret::new(format!("sk-virt-{job}")),
        endpoint: "http://127.0.0.1:9/v1".to_owned(),
        profile: Some("openai".to_owned()),
        constraints: Json::from_string(Value::Object(constraints).to_string()).ok(),
    })
}
