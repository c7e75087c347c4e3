//! Interop over real sockets.
//!
//! - `python_client`: the unchanged Python client (the pip package, driven by the scripts in `py/`) against our
//!   `interop_agents`, for every feature it has.
//! - `raw`: conversations in plain frames, one for each thing that the deployed runtimes get wrong (core/docs/arcp.md,
//!   "Faults of other implementations"), each showing that ours gets it right.
//! - [`own_loop`]: a part of both against the example without a driver.
//! - [`restart`]: the Python client across a runtime that is killed and started again.
//! - [`python_runtime`]: our own client against the same agents on the Python SDK (`py/python_runtime.py`).
//!
//! Not here: that client's stdio transport. `interop_agents` has no stdio; it can be tested against `nuncio serve --stdio`.
#![allow(clippy::duplicate_mod, reason = "the same conversations are held with every server")]

mod cases;
mod own_loop;
mod python_runtime;
mod restart;
mod smol_driver;
mod tokio_driver;
