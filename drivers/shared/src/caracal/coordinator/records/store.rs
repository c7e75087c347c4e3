//! Records that are compacted while they grow.

use nuncio_core::caracal::CoordinatorRecord;

use super::{Records, RecordsError};
use crate::io::Sanitized;
use crate::io::writer::Commit;

/// The records that are added before the first compaction.
const FEW: usize = 10_000;

/// Records, and how many have been added since those that are not needed were deleted.
pub(crate) struct Store {
    records: Box<dyn Records>,
    needed: usize,
    added: usize,
}

impl Store {
    pub(crate) fn new(records: Box<dyn Records>) -> Store {
        Store { records, needed: 0, added: 0 }
    }

    /// Reads the records, and deletes those that are not needed.
    pub(crate) fn load(&mut self) -> Result<Vec<(u64, CoordinatorRecord)>, RecordsError> {
        let mut records = self.records.load()?;
        let needed = CoordinatorRecord::needed(&records);
        if needed.len() < records.len() {
            self.records.keep_only(&needed)?;
            records.retain(|(number, _)| needed.binary_search(number).is_ok());
        }
        (self.needed, self.added) = (needed.len(), 0);
        Ok(records)
    }

    pub(crate) fn records(&mut self) -> &mut dyn Records {
        &mut *self.records
    }
}

impl Commit<CoordinatorRecord> for Store {
    type Fault = RecordsError;

    fn commit(&mut self, records: &[(u64, CoordinatorRecord)]) -> Result<(), RecordsError> {
        self.records.commit(records)?;
        self.added += records.len();
        if self.added >= FEW.max(self.needed)
            && let Err(error) = self.load()
        {
            // The records are durable. That more are kept than needed can wait for the next time.
            tracing::warn!(error = %Sanitized(&error), "records that are not needed cannot be deleted; it is tried again later");
            self.added = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use nuncio_core::caracal::{
        ApplicationId, Coordinator, CoordinatorConfig, CoordinatorOutput, IncomingId, IncomingRequest, LIFECYCLE_SCOPE,
        Principal, ZoneConfig, ZoneId,
    };
    use nuncio_core::time::Time;

    use super::super::MemoryRecords;
    use super::*;

    #[test]
    fn records_do_not_grow_with_sessions_that_were_forgotten() {
        let (zone, application) = (ZoneId::new("z1").unwrap(), ApplicationId::new("app-a").unwrap());
        let config = CoordinatorConfig::default().with(|config| {
            config.journal = true;
            config.limits.ended_sessions = 10;
            let applications = vec![application.clone()];
            config.zones.push(ZoneConfig { id: zone.clone(), applications, resources: None });
        });
        let now = Time(1_779_000_000_000_000);
        let mut machine = Coordinator::new(config, [7; 32], now);
        let caller = Principal {
            zone,
            subject: "app-a".into(),
            scopes: vec![LIFECYCLE_SCOPE.into()],
            authority: Some(nuncio_core::caracal::AuthorityId::new("app-a").unwrap()),
            application,
        };
        let kept = MemoryRecords::default();
        let mut store = Store::new(Box::new(kept.clone()));
        let mut ask = |method, target: &str, body: &[u8]| {
            let request = IncomingRequest { method, target, headers: &[], body, caller: Ok(&caller) };
            machine.handle_request(now, IncomingId(1), &request);
            let (mut records, mut answer) = (Vec::new(), String::new());
            while let Some(output) = machine.poll_output() {
                match output {
                    CoordinatorOutput::Store { seq, record } => records.push((seq, record)),
                    CoordinatorOutput::Respond { reply, .. } => answer = reply.body().unwrap_or_default().to_owned(),
                    CoordinatorOutput::Event { .. } => {}
                }
            }
            store.commit(&records).unwrap();
            answer
        };
        for _ in 0..FEW {
            let body = ask("POST", "/zones/z1/agents", br#"{"application_id":"app-a"}"#);
            let id = serde_json::from_str::<serde_json::Value>(&body).unwrap()["id"].as_str().unwrap().to_owned();
            ask("DELETE", &format!("/zones/z1/agents/{id}"), b"");
        }
        assert!(kept.count() < FEW + 100, "{} records are kept", kept.count());
    }
}
