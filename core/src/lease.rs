//! Stub until the leaves land.
#![allow(missing_docs, dead_code)]
use alloc::string::String;
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease(String);
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation;
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError;
impl Operation {
    pub fn new(_namespace: &str, _target: &str) -> Result<Operation, TargetError> { todo!() }
    pub fn model(_name: &str) -> Operation { todo!() }
}
impl Lease {
    pub fn to_json(&self) -> String { todo!() }
}
