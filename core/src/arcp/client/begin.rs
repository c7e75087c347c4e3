//! Subscriptions whose events come before their answer (core/docs/arcp.md, "The client").
//!
//! ```text
//! Silent --hear--> Heard --tell--> Told
//! ```
//!
//! Usually the answer comes long before the events fill the limits, and then nothing is told early.

/// What has come of a handle's job before its subscription was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Begin {
    /// Nothing.
    #[default]
    Silent,
    /// Events.
    Heard,
    /// Events, and the application was told that the subscription has begun.
    Told,
}

impl Begin {
    pub(super) fn hear(&mut self) {
        if *self == Begin::Silent {
            *self = Begin::Heard;
        }
    }

    /// Returns whether the application is to be told now.
    pub(super) fn tell(&mut self) -> bool {
        let is_heard = *self == Begin::Heard;
        if is_heard {
            *self = Begin::Told;
        }
        is_heard
    }

    pub(super) fn is_told(self) -> bool {
        self == Begin::Told
    }
}
