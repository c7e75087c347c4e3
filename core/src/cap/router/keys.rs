//! The names of what a router holds and its host does not name.

slotmap::new_key_type! {
    /// A worker.
    pub(super) struct WorkerKey;
}
