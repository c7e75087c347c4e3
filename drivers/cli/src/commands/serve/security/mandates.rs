//! The options for mandates of Caracal.

use nuncio_tokio::caracal::{MandateIssuer, MandateVerifier, ZoneId};

use super::revoked::RevokedIds;
use super::{Security, SecurityError};

impl Security {
    /// Returns the verifier of mandates, if there are keys for them.
    pub(in super::super) fn mandates(&self) -> Result<Option<MandateVerifier>, SecurityError> {
        let Some(keys) = &self.caracal_jwks else { return self.no_mandates() };
        let needed = |option: &Option<String>, missing| {
            let value = option.clone().filter(|value| !value.is_empty());
            value.ok_or(SecurityError::Incomplete { given: "--caracal-jwks", missing })
        };
        let issuer = needed(&self.caracal_issuer, "--caracal-issuer")?;
        let zone = needed(&self.caracal_zone, "--caracal-zone")?;
        let audience = needed(&self.caracal_audience, "--caracal-audience")?;
        let zone = ZoneId::new(&zone).map_err(SecurityError::Zone)?;
        let verifier = MandateVerifier::new(&MandateIssuer::new(keys, issuer, zone, audience));
        let verifier = verifier.map_err(SecurityError::Mandates)?.scopes(self.caracal_scopes.iter().cloned());
        let verifier = match &*self.caracal_uses {
            [] => verifier,
            uses => verifier.uses(uses.iter().cloned()),
        };
        let Some(path) = &self.caracal_revoked else { return Ok(Some(verifier)) };
        let list = RevokedIds::open(path).map_err(|error| SecurityError::File {
            flag: "--caracal-revoked",
            path: path.clone(),
            error,
        })?;
        Ok(Some(verifier.revoked(move |mandate| list.holds_one_of(mandate))))
    }

    fn no_mandates(&self) -> Result<Option<MandateVerifier>, SecurityError> {
        let given = [
            ("--caracal-issuer", self.caracal_issuer.is_some()),
            ("--caracal-zone", self.caracal_zone.is_some()),
            ("--caracal-audience", self.caracal_audience.is_some()),
            ("--caracal-scope", !self.caracal_scopes.is_empty()),
            ("--caracal-use", !self.caracal_uses.is_empty()),
            ("--caracal-revoked", self.caracal_revoked.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((given, _)) => Err(SecurityError::Incomplete { given, missing: "--caracal-jwks URL" }),
            None => Ok(None),
        }
    }
}
