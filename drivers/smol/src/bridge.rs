//! ARCP in front, a pool of CAP workers behind: agents whose jobs run on the workers of a topic.

use crate::driver::Smol;

/// A pool of CAP workers, to which the agents of a server hand their jobs; see [`nuncio_shared::bridge::Pool`].
pub type Pool = nuncio_shared::bridge::Pool<Smol>;
/// An agent whose jobs run on the workers of a topic. From [`Pool::agent`].
pub type PoolAgent = nuncio_shared::bridge::PoolAgent<Smol>;
