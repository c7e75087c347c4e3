//! Stub until the leaves land.
#![allow(missing_docs, dead_code)]
use core::fmt;
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts;
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget;
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amount;
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmountError;
impl Amount {
    pub fn from_json_number(_text: &str) -> Result<Amount, AmountError> { todo!() }
}
impl fmt::Display for Amount {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result { todo!() }
}
