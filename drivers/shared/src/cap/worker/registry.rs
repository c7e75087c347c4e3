//! The handlers of a worker, by topic.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use nuncio_core::cap::{InvalidSubject, Topic};

use super::handler::Handler;

/// The handlers of a worker.
#[derive(Default)]
pub(crate) struct Registry {
    handlers: BTreeMap<Topic, Arc<dyn Handler>>,
    fault: Option<RegistryFault>,
}

/// Why a handler was not added.
#[derive(Clone, Debug)]
pub(super) enum RegistryFault {
    Topic(String, InvalidSubject),
    Twice(Topic),
}

impl Registry {
    /// Adds a handler. The first fault is kept.
    pub(super) fn add(&mut self, topic: &str, handler: Arc<dyn Handler>) {
        let fault = match Topic::new(topic) {
            Ok(topic) => match self.handlers.entry(topic) {
                Entry::Vacant(entry) => {
                    entry.insert(handler);
                    return;
                }
                Entry::Occupied(entry) => RegistryFault::Twice(entry.key().clone()),
            },
            Err(error) => RegistryFault::Topic(topic.to_owned(), error),
        };
        self.fault.get_or_insert(fault);
    }

    pub(super) fn fault(&self) -> Option<RegistryFault> {
        self.fault.clone()
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.handlers.keys()
    }

    pub(super) fn find(&self, topic: &str) -> Option<&Arc<dyn Handler>> {
        let topic = Topic::new(topic).ok()?;
        self.handlers.get(&topic)
    }
}
