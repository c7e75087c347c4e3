//! The options for JSON Web Tokens.

use std::time::Duration;

use nuncio_tokio::auth::{JwtKeys, JwtVerifier};

use super::{Security, SecurityError, read};

impl Security {
    /// Returns the verifier of JSON Web Tokens, if there is a key for them.
    pub(super) fn jwt(&self) -> Result<Option<JwtVerifier>, SecurityError> {
        let (flag, keys) = match (&self.jwt_secret_file, &self.jwt_key, &self.jwt_jwks) {
            (None, None, None) => return self.no_jwt(),
            (Some(path), None, None) => {
                let secret = read("--jwt-secret-file", path)?;
                // Editors end a file with a line break that is not part of the secret.
                ("--jwt-secret-file", JwtKeys::secret(secret.trim_ascii_end()))
            }
            (None, Some(path), None) => ("--jwt-key", JwtKeys::pem(&read("--jwt-key", path)?)),
            (None, None, Some(path)) => ("--jwt-jwks", JwtKeys::jwks_file(path)),
            _ => return Err(SecurityError::ManyJwtKeys),
        };
        let mut jwt = JwtVerifier::new(keys.map_err(|error| SecurityError::Jwt { flag, error })?);
        if !self.jwt_audience.is_empty() {
            jwt = jwt.audience(self.jwt_audience.iter().cloned());
        }
        if !self.jwt_issuer.is_empty() {
            jwt = jwt.issuer(self.jwt_issuer.iter().cloned());
        }
        if let Some(seconds) = self.jwt_leeway {
            jwt = jwt.leeway(Duration::from_secs(seconds));
        }
        if let Some(claim) = &self.jwt_principal {
            jwt = jwt.principal_claim(claim);
        }
        Ok(Some(jwt))
    }

    fn no_jwt(&self) -> Result<Option<JwtVerifier>, SecurityError> {
        let given = [
            ("--jwt-audience", !self.jwt_audience.is_empty()),
            ("--jwt-issuer", !self.jwt_issuer.is_empty()),
            ("--jwt-leeway", self.jwt_leeway.is_some()),
            ("--jwt-principal", self.jwt_principal.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(SecurityError::NoJwtKey(flag)),
            None => Ok(None),
        }
    }
}
