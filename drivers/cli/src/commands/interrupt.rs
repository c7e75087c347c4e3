//! Ctrl-C while a command waits for a runtime.

use crate::error::Error;
use crate::exit::Exit;
use crate::signals::Interrupts;
use crate::text::eprint_line;

/// Runs a command to its end, or until Ctrl-C is pressed. Then it is left, and `outcome` says what that means for the job.
pub(super) async fn until_interrupted(
    command: impl Future<Output = Result<Exit, Error>>,
    outcome: &str,
) -> Result<Exit, Error> {
    let mut interrupts = Interrupts::listen().map_err(Error::System)?;
    tokio::select! {
        exit = command => exit,
        () = interrupts.reach(1) => {
            eprint_line(&format!("nuncio: interrupted; {outcome}"));
            Ok(Exit::Interrupted)
        }
    }
}
