//! Keys of the values of a router that its host does not name.

slotmap::new_key_type! {
    /// A worker.
    pub(super) struct WorkerKey;
}
