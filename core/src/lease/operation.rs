//! What an agent is about to do.

use alloc::boxed::Box;

use super::canonical::{self, CanonicalError};
use super::{MAX_TARGET_BYTES, Namespace, shown};

/// One operation that needs authority: a namespace and the canonical form of a target (§9.3).
///
/// An agent acts on [`Operation::target`], the text that was compared with the lease, and not on the one it began with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    namespace: Namespace,
    target: Box<str>,
}

impl Operation {
    /// An operation on a target, which is canonicalised as its namespace asks.
    ///
    /// Every error means `PERMISSION_DENIED`.
    pub fn new(namespace: &str, target: &str) -> Result<Operation, TargetError> {
        match Namespace::parse(namespace) {
            Some(Namespace::CostBudget) => Err(TargetError::NotAnOperation),
            Some(namespace) => Operation::on(namespace, target),
            None => Err(TargetError::UnknownNamespace(shown(namespace))),
        }
    }

    /// The use of a model (§9.7).
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

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The target, in canonical form.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// Why something is no operation. All of it means `PERMISSION_DENIED`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither a reserved namespace nor a vendor's.
    #[error("there is no namespace {0:?}")]
    UnknownNamespace(Box<str>),
    /// `cost.budget` bounds operations and is none.
    #[error("cost.budget is not an operation")]
    NotAnOperation,
    /// The target has no canonical form.
    #[error("the target is refused: {0}")]
    Refused(#[from] CanonicalError),
}
