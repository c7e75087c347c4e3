//! Dialects: what the deployed SDKs need beyond the specification, or in its place.
//!
//! ```text
//! fingerprint.rs   what is decisive in a hello      row.rs   the table: one row of named switches for each SDK
//! shape.rs         frames as a dialect's clients read them
//! ```
//!
//! A dialect is fixed at a session's first hello. Whoever writes a frame reads the switch that concerns it, so that a new
//! SDK is a new row and nothing else.

mod fingerprint;
mod row;
mod shape;

use core::fmt;
use core::str::FromStr;

pub(crate) use self::fingerprint::Fingerprint;
use self::row::ROWS;
pub(crate) use self::row::{RefusedSubmit, Row};

/// The dialect of a session: the specification's form, or that of one of the deployed SDKs (ours).
///
/// `core/docs/arcp.md` describes them. A runtime recognises the dialect of a session from its first hello, unless the
/// host names one; a resume keeps it.
///
/// ```
/// use nuncio_core::arcp::Dialect;
///
/// let go: Dialect = "go-1.1".parse()?;
/// assert_eq!(go, Dialect::GO);
/// assert_eq!(go.name(), "go-1.1");
/// // The name without its version is enough.
/// assert_eq!("go".parse(), Ok(Dialect::GO));
/// assert!("cobol".parse::<Dialect>().is_err());
/// # Ok::<(), nuncio_core::arcp::UnknownDialect>(())
/// ```
#[derive(Clone, Copy)]
pub struct Dialect(&'static Row);

impl Dialect {
    /// `spec`: the form of the specification.
    pub const SPEC: Dialect = Dialect(&row::SPEC);
    /// `nuncio`: Nuncio's own client.
    pub const NUNCIO: Dialect = Dialect(&row::NUNCIO);
    /// `python-1.1`: the Python SDK 1.1.3.
    pub const PYTHON: Dialect = Dialect(&row::PYTHON);
    /// `typescript-2.0`, also `ts-2.0`: the TypeScript SDK 2.0.0.
    pub const TYPESCRIPT: Dialect = Dialect(&row::TYPESCRIPT);
    /// `go-1.1`: the Go SDK 1.1.0.
    pub const GO: Dialect = Dialect(&row::GO);
    /// `java-1.0`, also `fsharp-1.0`: the Java and F# SDKs 1.0.0, whose hellos have the same shape.
    pub const JAVA: Dialect = Dialect(&row::JAVA);
    /// `csharp-1.0`: the C# SDK 1.0.0.
    pub const CSHARP: Dialect = Dialect(&row::CSHARP);
    /// `ruby-1.0`: the Ruby SDK 1.0.0.
    pub const RUBY: Dialect = Dialect(&row::RUBY);

    /// Returns all dialects.
    pub fn all() -> impl Iterator<Item = Dialect> {
        ROWS.iter().copied().map(Dialect)
    }

    /// Returns the dialect of the SDK that has sent such a hello: [`Dialect::SPEC`] if it is unknown.
    pub(crate) fn recognise(hello: Fingerprint) -> Dialect {
        Dialect::all().find(|dialect| (dialect.0.recognises)(hello)).unwrap_or_default()
    }

    /// Returns the switches.
    pub(crate) fn row(self) -> &'static Row {
        self.0
    }

    /// Returns the name, such as `go-1.1`.
    pub fn name(self) -> &'static str {
        self.0.name
    }
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect::SPEC
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Dialect) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Dialect {}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    /// Reads a name, or a name without its version.
    fn from_str(text: &str) -> Result<Dialect, UnknownDialect> {
        let is = |name: &str| name == text || name.rsplit_once('-').is_some_and(|(bare, _)| bare == text);
        Dialect::all()
            .find(|dialect| is(dialect.0.name) || dialect.0.other_names.iter().any(|name| is(name)))
            .ok_or(UnknownDialect)
    }
}

/// A text that names no [`Dialect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownDialect;

impl fmt::Display for UnknownDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dialect is unknown; it is one of")?;
        for (index, dialect) in Dialect::all().enumerate() {
            write!(f, "{} {}", if index > 0 { "," } else { "" }, dialect.name())?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownDialect {}
