//! What an agent is about to do: [`Operation`].

use alloc::boxed::Box;

use super::canonical::{self, CanonicalError};
use super::excerpt::excerpt;
use super::namespace::Namespace;

/// The longest target of an operation as it is given, in bytes. It can grow threefold in its canonical form.
pub const MAX_TARGET_BYTES: usize = 16 * 1024;

/// One operation that needs authority: a namespace and a target in canonical form (§9.3).
///
/// An agent must act on [`Operation::target`], the text that was compared with the lease, and not on the text that it
/// made the operation from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    namespace: Namespace,
    target: Box<str>,
}

impl Operation {
    /// Creates an operation; the target is brought into the canonical form of its namespace.
    ///
    /// # Errors
    ///
    /// Every error means `PERMISSION_DENIED`.
    pub fn new(namespace: &str, target: &str) -> Result<Operation, TargetError> {
        match Namespace::parse(namespace) {
            Some(Namespace::CostBudget) => Err(TargetError::NotAnOperation),
            Some(namespace) => Operation::on(namespace, target),
            None => Err(TargetError::UnknownNamespace(excerpt(namespace))),
        }
    }

    /// Creates the operation of using a model (§9.7).
    ///
    /// # Errors
    ///
    /// Every error means `PERMISSION_DENIED`.
    pub fn model(name: &str) -> Result<Operation, TargetError> {
        Operation::on(Namespace::ModelUse, name)
    }

    fn on(namespace: Namespace, target: &str) -> Result<Operation, TargetError> {
        if target.len() > MAX_TARGET_BYTES {
            return Err(CanonicalError::TooLong { max: MAX_TARGET_BYTES }.into());
        }
        let target = canonical::target(&namespace, target)?.into();
        Ok(Operation { namespace, target })
    }

    /// Returns the namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns the target in canonical form.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// Why an [`Operation`] is refused before it is compared with a lease. Every case means `PERMISSION_DENIED`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The namespace is neither reserved nor a vendor's. Holds the beginning of its text.
    #[error(
        "there is no namespace {0:?}; there are fs.read, fs.write, net.fetch, tool.call, agent.delegate, model.use, and those of vendors, such as x-vendor.acme.gpu"
    )]
    UnknownNamespace(Box<str>),
    /// The namespace is `cost.budget`, which limits operations but has none of its own.
    #[error("cost.budget is not an operation")]
    NotAnOperation,
    /// The target has no canonical form.
    #[error("the target is refused: {0}")]
    Refused(#[from] CanonicalError),
}
