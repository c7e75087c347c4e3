//! Pointers to blobs: the addresses of the input and the output of a job.

use alloc::string::String;
use core::fmt;

/// The longest pointer in bytes.
const MAX_BYTES: usize = 2_048;

/// A kind of blob store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `redis://`, the shared store.
    Redis,
    /// `mem://`, the memory of one process.
    Memory,
}

impl Scheme {
    const ALL: [Scheme; 2] = [Scheme::Redis, Scheme::Memory];

    /// Returns the beginning of a pointer with this scheme.
    pub const fn prefix(self) -> &'static str {
        match self {
            Scheme::Redis => "redis://",
            Scheme::Memory => "mem://",
        }
    }
}

/// A pointer to a blob: everything after the scheme is the key, as `ctx:job-1` in `redis://ctx:job-1`. The pointer is not
/// the address of a server.
///
/// ```
/// use nuncio_core::cap::{Pointer, Scheme};
///
/// let pointer = Pointer::parse("redis://ctx:job-1")?;
/// assert_eq!((pointer.scheme, pointer.key.as_str()), (Scheme::Redis, "ctx:job-1"));
/// assert_eq!(pointer.to_string(), "redis://ctx:job-1");
/// # Ok::<(), nuncio_core::cap::InvalidPointer>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    /// The kind of store.
    pub scheme: Scheme,
    /// The key in the store.
    pub key: String,
}

/// Why a text is not a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPointer {
    /// It is longer than 2 048 bytes.
    #[error("the pointer is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It does not begin with `redis://` or `mem://`.
    #[error("the pointer begins with neither redis:// nor mem://")]
    Scheme,
    /// There is no key after the scheme.
    #[error("the pointer has no key")]
    Key,
}

impl Pointer {
    /// Parses a pointer.
    pub fn parse(text: &str) -> Result<Pointer, InvalidPointer> {
        if text.len() > MAX_BYTES {
            return Err(InvalidPointer::TooLong);
        }
        for scheme in Scheme::ALL {
            if let Some(key) = text.strip_prefix(scheme.prefix()) {
                return if key.is_empty() {
                    Err(InvalidPointer::Key)
                } else {
                    Ok(Pointer { scheme, key: String::from(key) })
                };
            }
        }
        Err(InvalidPointer::Scheme)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme.prefix())?;
        f.write_str(&self.key)
    }
}
