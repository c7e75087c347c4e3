//! `nuncio conformance`: judges a runtime, or a client, by the rules of ARCP v1.1 that can be seen from outside.
//!
//! ```text
//! run.rs    --> runtime/: the rules, each an async function over trial.rs, session.rs and wire.rs (raw frames)
//! client/   --> plays a runtime for a client that connects, and judges what it has recorded
//! report/   <-- the results of both: lines, JSON, JUnit, Markdown
//! ```
//!
//! A new rule for runtimes is a line in `rules!` of a file in `runtime/` and a function of the same name. The rows of a
//! report are in the order of the specification's sections, whichever file a rule is in.
//!
//! `core/CONFORMANCE.md` names the rules that judge each MUST and SHOULD, and a test of the repository compares it with them.

mod agents;
mod client;
mod finding;
mod frame;
mod options;
mod report;
mod rule;
mod run;
mod runtime;
mod session;
mod transcript;
mod trial;
mod wire;

use crate::exit::Exit;
use crate::output;
pub(crate) use options::Options;

pub(crate) async fn run(options: Options) -> Exit {
    let judged = match &options.serve {
        Some(address) => client::judge_client(&options, address).await,
        None => run::judge_runtime(&options).await,
    };
    match judged {
        Ok(true) => Exit::Success,
        Ok(false) => Exit::Failed,
        Err(error) => {
            output::report(&error);
            Exit::Usage
        }
    }
}
