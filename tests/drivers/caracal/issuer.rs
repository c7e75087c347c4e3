use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use super::support::{Server, reply};

/// A token service that publishes one key, and signs with it.
pub(super) struct Issuer {
    pub(super) server: Server,
    key: EncodingKey,
}

impl Issuer {
    pub(super) fn start() -> Issuer {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let point = pair.public_key_raw().to_vec();
        let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let keys = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k-1",
            "x": coordinate(&point[1..33]), "y": coordinate(&point[33..]),
        }]});
        let server = Server::start(move |_, request| match &*request.line {
            "GET /.well-known/jwks.json?zone_id=z1" => reply(200, keys.to_string()),
            line => panic!("{line}"),
        });
        Issuer { server, key: EncodingKey::from_ec_der(pair.serialized_der()) }
    }

    /// Signs a token with changed claims.
    pub(super) fn token(&self, kid: &str, changes: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": "https://sts", "aud": "service", "sub": "user-1", "exp": now + 900, "iat": now, "jti": "j-1",
            "zone_id": "z1", "client_id": "app-b", "scope": "read write", "sid": "sid-1", "use": "per_call",
            "sub_type": "agent", "agent_session_id": "s-9", "hop_count": 1,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, &claims, &self.key).unwrap()
    }
}
