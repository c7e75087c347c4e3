//! Alerts: reports of problems for operators.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::codec::message::messages;
use super::codec::open_enum::open_enums;
use super::job::ErrorCode;

open_enums! {
    /// How serious an alert is.
    AlertSeverity {
        /// Not said.
        UNSPECIFIED = 0,
        /// Nothing is wrong.
        INFO = 1,
        /// Something may go wrong.
        WARNING = 2,
        /// Something went wrong.
        ERROR = 3,
        /// A problem that needs the attention of an operator.
        CRITICAL = 4,
    }
}

messages! {
    /// An alert.
    SystemAlert {
        /// The severity in the deprecated form.
        level: String = 1,
        /// What is wrong, as a sentence for people.
        message: String = 2,
        /// The sender in the deprecated form.
        component: String = 3,
        /// The code in the deprecated form.
        code: String = 4,
        /// The severity.
        severity: AlertSeverity = 5,
        /// The code.
        error_code_enum: ErrorCode = 6,
        /// The component that reports it, which is the sender of the packet.
        source_component: String = 7,
        /// Details.
        details: BTreeMap<String, String> = 8,
        /// The trace that the alert belongs to.
        trace_id: String = 9,
    }
}
