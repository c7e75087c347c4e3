//! `lease_request`, from JSON.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::canonical::CanonicalError;
use super::{Grant, Lease, MAX_NAMESPACES, MAX_PATTERNS, Namespace, Pattern, shown};
use crate::budget::{AmountError, Amounts, parse_amount};

/// Why a `lease_request` is no lease. All of it means `INVALID_REQUEST`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The text is no JSON object of arrays of strings.
    #[error("a lease is a JSON object of arrays of strings")]
    Shape,
    /// Neither a reserved namespace nor a vendor's.
    #[error("there is no namespace {0:?}")]
    UnknownNamespace(Box<str>),
    /// A namespace stands there twice.
    #[error("the namespace {0} stands there twice")]
    DuplicateNamespace(Namespace),
    /// A namespace has no patterns.
    #[error("the list of {0} is empty")]
    EmptyList(Namespace),
    /// More than [`MAX_NAMESPACES`].
    #[error("a lease has at most {MAX_NAMESPACES} namespaces")]
    TooManyNamespaces,
    /// More than [`MAX_PATTERNS`].
    #[error("a lease has at most {MAX_PATTERNS} patterns")]
    TooManyPatterns,
    /// A pattern is refused.
    #[error("the pattern {pattern:?} of {namespace} is refused: {reason}")]
    Pattern {
        /// Where it stands.
        namespace: Namespace,
        /// The beginning of it.
        pattern: Box<str>,
        /// What is wrong with it.
        reason: CanonicalError,
    },
    /// An entry of `cost.budget` is no amount, or its currency cannot be summed.
    #[error("the amount {amount:?} of cost.budget is refused: {reason}")]
    Amount {
        /// The beginning of it.
        amount: Box<str>,
        /// What is wrong with it.
        reason: AmountError,
    },
}

pub(super) fn parse(json: &str) -> Result<Lease, LeaseError> {
    let mut reading = Reading::default();
    let mut text = serde_json::Deserializer::from_str(json);
    let shape = text.deserialize_map(&mut reading).and_then(|()| text.end());
    match (reading.refused, shape) {
        (Some(refused), _) => Err(refused),
        (None, Err(_)) => Err(LeaseError::Shape),
        (None, Ok(())) => Ok(reading.lease),
    }
}

/// A lease as far as it was read, so that nothing is held beyond the bounds. `refused` takes our own error past serde,
/// whose error is a text.
#[derive(Default)]
struct Reading {
    lease: Lease,
    patterns: usize,
    refused: Option<LeaseError>,
}

impl Reading {
    fn open(&mut self, namespace: &str) -> Result<Namespace, LeaseError> {
        let known = Namespace::parse(namespace);
        let namespace = known.ok_or_else(|| LeaseError::UnknownNamespace(shown(namespace)))?;
        if self.lease.names(&namespace) {
            return Err(LeaseError::DuplicateNamespace(namespace));
        }
        if self.lease.grants.len() >= MAX_NAMESPACES {
            return Err(LeaseError::TooManyNamespaces);
        }
        Ok(namespace)
    }

    fn entry(&mut self, namespace: &Namespace, text: String) -> Result<Pattern, LeaseError> {
        if self.patterns >= MAX_PATTERNS {
            return Err(LeaseError::TooManyPatterns);
        }
        self.patterns += 1;
        if *namespace == Namespace::CostBudget {
            let amounts = self.lease.budget.get_or_insert_with(Amounts::new);
            let added = parse_amount(&text).and_then(|(currency, amount)| amounts.add(currency, amount));
            added.map_err(|reason| LeaseError::Amount { amount: shown(&text), reason })?;
            return Ok(Pattern::amount(text));
        }
        Pattern::parse(namespace, &text).map_err(|reason| LeaseError::Pattern {
            namespace: namespace.clone(),
            pattern: shown(&text),
            reason,
        })
    }

    fn close(&mut self, grant: Grant) -> Result<(), LeaseError> {
        if grant.patterns.is_empty() {
            return Err(LeaseError::EmptyList(grant.namespace));
        }
        self.lease.grants.push(grant);
        Ok(())
    }

    fn refuse<E: serde::de::Error>(&mut self, refused: LeaseError) -> E {
        let error = E::custom("refused");
        self.refused = Some(refused);
        error
    }
}

impl<'de> Visitor<'de> for &mut Reading {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of arrays of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let namespace = self.open(&key).map_err(|refused| self.refuse(refused))?;
            let mut grant = Grant { namespace, patterns: Vec::new() };
            map.next_value_seed(Entries { reading: &mut *self, grant: &mut grant })?;
            self.close(grant).map_err(|refused| self.refuse(refused))?;
        }
        Ok(())
    }
}

struct Entries<'a> {
    reading: &'a mut Reading,
    grant: &'a mut Grant,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(text) = entries.next_element::<String>()? {
            let entry = self.reading.entry(&self.grant.namespace, text);
            self.grant.patterns.push(entry.map_err(|refused| self.reading.refuse::<A::Error>(refused))?);
        }
        Ok(())
    }
}
