//! Reads a lease from the JSON text of a `lease_request`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::canonical::CanonicalError;
use super::excerpt::excerpt;
use super::grant::Grant;
use super::namespace::Namespace;
use super::pattern::Pattern;
use crate::budget::{AmountError, Amounts, parse_amount};

/// The most namespaces a lease may name.
pub const MAX_NAMESPACES: usize = 64;
/// The most patterns a lease may have, over all its namespaces.
pub const MAX_PATTERNS: usize = 1024;

/// Why a `lease_request` is not a lease. Every case means `INVALID_REQUEST`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The text is not a JSON object of arrays of strings.
    #[error("a lease is a JSON object of arrays of strings")]
    Shape,
    /// A namespace is neither reserved nor a vendor's. Holds the beginning of its text.
    #[error(
        "there is no namespace {0:?}; there are fs.read, fs.write, net.fetch, tool.call, agent.delegate, model.use, cost.budget, and those of vendors, such as x-vendor.acme.gpu"
    )]
    UnknownNamespace(Box<str>),
    /// A namespace occurs twice.
    #[error("the namespace {0} occurs twice")]
    DuplicateNamespace(Namespace),
    /// A namespace has no patterns.
    #[error("the list of {0} is empty")]
    EmptyList(Namespace),
    /// There are more than [`MAX_NAMESPACES`] namespaces.
    #[error("a lease has at most {MAX_NAMESPACES} namespaces")]
    TooManyNamespaces,
    /// There are more than [`MAX_PATTERNS`] patterns.
    #[error("a lease has at most {MAX_PATTERNS} patterns")]
    TooManyPatterns,
    /// A pattern has no canonical form.
    #[error("the pattern {pattern:?} of {namespace} is refused: {reason}")]
    Pattern {
        /// The namespace of the pattern.
        namespace: Namespace,
        /// The beginning of the pattern's text.
        pattern: Box<str>,
        /// What is wrong with it.
        reason: CanonicalError,
    },
    /// An entry of `cost.budget` is not an amount, or the sum of its currency cannot be held exactly.
    #[error("the amount {amount:?} of cost.budget is refused: {reason}")]
    Amount {
        /// The beginning of the amount's text.
        amount: Box<str>,
        /// What is wrong with it.
        reason: AmountError,
    },
}

/// The members of a lease, as far as they have been read.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) grants: Vec<Grant>,
    /// The sums of `cost.budget` by currency, if the lease names it.
    pub(super) budget: Option<Amounts>,
}

/// Parses the JSON text of a lease.
pub(super) fn parse(json: &str) -> Result<Parsed, LeaseError> {
    let mut reader = Reader::default();
    let mut text = serde_json::Deserializer::from_str(json);
    let shape = text.deserialize_map(&mut reader).and_then(|()| text.end());
    match (reader.refused, shape) {
        (Some(refused), _) => Err(refused),
        (None, Err(_)) => Err(LeaseError::Shape),
        (None, Ok(())) => Ok(reader.parsed),
    }
}

/// Reads a lease member by member and stops at the first that is refused, so that nothing beyond the limits is held.
#[derive(Default)]
struct Reader {
    parsed: Parsed,
    patterns: usize,
    /// The reason for stopping. It is kept here because an error of serde is only a text.
    refused: Option<LeaseError>,
}

impl Reader {
    fn namespace(&self, text: &str) -> Result<Namespace, LeaseError> {
        let known = Namespace::parse(text);
        let namespace = known.ok_or_else(|| LeaseError::UnknownNamespace(excerpt(text)))?;
        if self.parsed.grants.iter().any(|grant| grant.namespace == namespace) {
            return Err(LeaseError::DuplicateNamespace(namespace));
        }
        if self.parsed.grants.len() >= MAX_NAMESPACES {
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
            let budget = self.parsed.budget.get_or_insert_with(Amounts::new);
            let added = parse_amount(&text).and_then(|(currency, amount)| budget.add(currency, amount));
            added.map_err(|reason| LeaseError::Amount { amount: excerpt(&text), reason })?;
            return Ok(Pattern::amount(text));
        }
        Pattern::parse(namespace, &text).map_err(|reason| LeaseError::Pattern {
            namespace: namespace.clone(),
            pattern: excerpt(&text),
            reason,
        })
    }

    fn grant(&mut self, grant: Grant) -> Result<(), LeaseError> {
        if grant.patterns.is_empty() {
            return Err(LeaseError::EmptyList(grant.namespace));
        }
        self.parsed.grants.push(grant);
        Ok(())
    }

    fn refuse<E: serde::de::Error>(&mut self, refused: LeaseError) -> E {
        let error = E::custom("refused");
        self.refused = Some(refused);
        error
    }
}

impl<'de> Visitor<'de> for &mut Reader {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of arrays of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let namespace = self.namespace(&key).map_err(|refused| self.refuse(refused))?;
            let mut grant = Grant { namespace, patterns: Vec::new() };
            map.next_value_seed(Entries { reader: &mut *self, grant: &mut grant })?;
            self.grant(grant).map_err(|refused| self.refuse(refused))?;
        }
        Ok(())
    }
}

/// Reads the entries of one namespace.
struct Entries<'a> {
    reader: &'a mut Reader,
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
            let entry = self.reader.entry(&self.grant.namespace, text);
            self.grant.patterns.push(entry.map_err(|refused| self.reader.refuse::<A::Error>(refused))?);
        }
        Ok(())
    }
}
