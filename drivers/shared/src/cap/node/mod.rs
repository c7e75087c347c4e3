//! What workers, clients and routers have in common: a machine behind one lock, and the tasks that connect it to a bus.
//!
//! ```text
//! hub.rs      the lock around the machine; one input, one dispatch, then the actions
//! wire.rs     the queue of what the machine wants of the bus
//! identity.rs  who sends packets, and whose are accepted
//! inputs.rs   the subscriptions, read as one in the order in which messages arrived
//! link.rs     the tasks: state of the connection, queue to the bus, subscriptions, time
//! owner.rs    ends the tasks when the last handle is gone
//! ```

#[cfg(test)]
pub(crate) mod bare;
pub(crate) mod hub;
pub(crate) mod identity;
mod inputs;
pub(crate) mod link;
pub(crate) mod owner;
pub(crate) mod wire;
