//! Signatures per second on one core.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nuncio_tokio::cap::{RingSigner, RingVerifier, Signer as _, Verifier as _};

/// For how long each is measured.
const TIME: Duration = Duration::from_secs(1);

/// The length of the messages, about that of a packet.
const LENGTH: usize = 256;

/// Prints how many signatures are made and verified in a second by `ring`, and by the Python SDK's `cryptography`.
pub(crate) fn measure(python: Option<&Path>) -> Result<(), Box<dyn Error + Send + Sync>> {
    let ((signer, _), message) = (RingSigner::generate()?, [7; LENGTH]);
    let signature = signer.sign(&message).map_err(|_| "the message cannot be signed")?;
    let key = signer.public_key();
    let sign = rate(|| signer.sign(black_box(&message)).is_ok());
    let verify = rate(|| RingVerifier.verify(&key, black_box(&message), &signature));
    println!("{:<22} {sign:>10.0} signed/s {verify:>10.0} verified/s, on one core", "nuncio");
    let Some(python) = python else { return Ok(()) };
    let output = Command::new(python).args(["-c", PEER, &LENGTH.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_whitespace().map(str::parse::<f64>).collect::<Result<Vec<_>, _>>().as_deref() {
        Ok([peer_sign, peer_verify]) => {
            println!("{:<22} {peer_sign:>10.0} signed/s {peer_verify:>10.0} verified/s, on one core", "python");
            println!("{:<22} {:>10.2} {:>19.2}", "nuncio to python", sign / peer_sign, verify / peer_verify);
            Ok(())
        }
        _ => Err(format!("{}: {}", python.display(), String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Measures the same with the library that the SDK uses.
const PEER: &str = include_str!("crypto.py");

fn rate(call: impl Fn() -> bool) -> f64 {
    let (started, mut count) = (Instant::now(), 0.0);
    while started.elapsed() < TIME {
        for _ in 0..100 {
            assert!(call(), "the signature is made and holds");
        }
        count += 100.0;
    }
    count / started.elapsed().as_secs_f64()
}
