//! Handshakes: a component describes itself. There is no answer.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::codec::message::messages;
use super::codec::open_enum::open_enums;

open_enums! {
    /// What a component does.
    ComponentRole {
        /// Not said.
        UNSPECIFIED = 0,
        /// It takes jobs from clients.
        GATEWAY = 1,
        /// It sends jobs to workers.
        SCHEDULER = 2,
        /// It runs jobs.
        WORKER = 3,
        /// It makes jobs of workflows.
        ORCHESTRATOR = 4,
        /// It watches over the others.
        CONTROLLER = 5,
    }
}

messages! {
    /// What a component is and can do.
    Handshake {
        /// The component.
        component_id: String = 1,
        /// Its role.
        role: ComponentRole = 2,
        /// The protocol versions that it speaks.
        supported_versions: Vec<i32> = 3,
        /// What it can do, by name.
        capabilities: BTreeMap<String, bool> = 4,
        /// The software that it is made with.
        sdk_version: String = 5,
        /// The topics that it listens on.
        ready_topics: Vec<String> = 6,
        /// The name of its agent (2.17).
        agent_name: String = 7,
    }
}
