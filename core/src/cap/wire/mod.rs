//! The packets of CAP as types, with their reading and writing.
//!
//! ```text
//! codec/                                        Protocol Buffers with exact bytes
//! packet.rs                                     the envelope of every message on the bus
//! job.rs heartbeat.rs handshake.rs alert.rs     what it carries          trust.rs   the worker trust handshake
//! safety.rs policy.rs                           questions to a policy service, which travel outside the bus
//! known.rs common.rs                            values within messages
//! raw.rs                                        a packet as records, without decoding them
//! validate/                                    what must hold for a packet that is sent or received
//! subject.rs                                    where packets are published
//! pointer.rs                                    where inputs and outputs of jobs are stored
//! ```
//!
//! No module here has state, or depends on the machines. Messages are those of version 2.17.0 of the protocol files,
//! which contain those of 2.10.0: nothing was removed or renumbered.

pub(crate) mod alert;
pub(crate) mod codec;
pub(crate) mod common;
pub(crate) mod handshake;
pub(crate) mod heartbeat;
pub(crate) mod job;
pub(crate) mod known;
pub(crate) mod packet;
pub(crate) mod pointer;
pub(crate) mod policy;
pub(crate) mod raw;
pub(crate) mod safety;
pub(crate) mod sign;
pub(crate) mod subject;
pub(crate) mod trust;
pub(crate) mod validate;

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::{alert, common, handshake, heartbeat, job, known, policy, safety, trust};

    /// Names, numbers and types of the protocol files.
    const FIELDS: &str = include_str!("../../../tests/cap/fixtures/2.17.0.fields");

    /// The fields of each message and enum of the protocol files, by its name.
    fn listed() -> BTreeMap<String, Vec<String>> {
        let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut name = String::new();
        for line in FIELDS.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix("  ") {
                Some(field) => listed.get_mut(&name).expect("a field has a message").push(field.into()),
                None => {
                    name = line.split(' ').nth(1).expect("a name").into();
                    listed.insert(name.clone(), Vec::new());
                }
            }
        }
        listed
    }

    /// The type in the protocol files of a field's type.
    fn proto_type(declared: &str) -> String {
        let within = |prefix: &str| declared.strip_prefix(prefix)?.strip_suffix('>');
        match declared {
            "String" | "Secret" => "string".into(),
            "Vec<u8>" => "bytes".into(),
            "i32" => "int32".into(),
            "i64" => "int64".into(),
            "u64" => "uint64".into(),
            "f32" => "float".into(),
            "f64" => "double".into(),
            "PrivateMap" | "BTreeMap<String, String>" => "map<string,string>".into(),
            "BTreeMap<String, bool>" => "map<string,bool>".into(),
            "BTreeMap<String, Value>" => "map<string,Value>".into(),
            other => {
                if let Some(inner) = within("Option<Box<").or_else(|| within("Option<")) {
                    inner.trim_end_matches('>').into()
                } else if let Some(inner) = within("Vec<") {
                    format!("repeated {}", proto_type(inner))
                } else {
                    other.into()
                }
            }
        }
    }

    #[test]
    fn names_numbers_and_types_are_those_of_the_protocol_files() {
        let mut listed = listed();
        // The envelope is written by hand; the tests of packets cover its fields.
        assert!(listed.remove("BusPacket").is_some());
        let messages = [
            alert::MESSAGES,
            common::MESSAGES,
            handshake::MESSAGES,
            heartbeat::MESSAGES,
            job::MESSAGES,
            known::MESSAGES,
            policy::MESSAGES,
            safety::MESSAGES,
            trust::MESSAGES,
        ];
        for (name, fields) in messages.concat() {
            let declared: Vec<String> = fields
                .iter()
                .map(|(field, kind, number)| {
                    format!("{} = {number}: {}", field.trim_start_matches("r#"), proto_type(kind))
                })
                .collect();
            assert_eq!(listed.remove(name), Some(declared), "{name}");
        }
        let enums =
            [alert::ENUMS, handshake::ENUMS, job::ENUMS, known::ENUMS, policy::ENUMS, safety::ENUMS, trust::ENUMS];
        for (name, values) in enums.concat() {
            let declared: Vec<String> = values.iter().map(|(value, number)| format!("{value} = {number}")).collect();
            assert_eq!(listed.remove(name), Some(declared), "{name}");
        }
        assert!(listed.is_empty(), "not declared: {:?}", listed.keys());
    }
}
