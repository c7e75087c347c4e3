//! Errors of the command line.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

/// Returns an error that does not repeat the value of an option which may be a secret: one whose value is not shown when it
/// comes from the environment.
pub(crate) fn without_secrets(error: Error, command: &mut Command) -> Error {
    command.build();
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.get(ContextKind::InvalidValue).is_none() || !is_secret(command, option) {
        return error;
    }
    let reason = error.source().map_or_else(String::new, |reason| format!(": {reason}"));
    let message = format!("the value of '{option}' is not valid{reason}");
    command.error(ErrorKind::ValueValidation, message)
}

fn is_secret(command: &Command, option: &str) -> bool {
    let is_it = |arg: &Arg| arg.is_hide_env_values_set() && arg.to_string() == option;
    command.get_arguments().any(is_it) || command.get_subcommands().any(|command| is_secret(command, option))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;

    fn message(arguments: &[&str]) -> String {
        let arg = |name: &'static str| Arg::new(name).long(name).value_parser(clap::value_parser!(u8));
        let serve = Command::new("serve").arg(arg("token").hide_env_values(true)).arg(arg("drain"));
        let mut command = Command::new("nuncio").subcommand(serve);
        let error = command.clone().try_get_matches_from(arguments).unwrap_err();
        without_secrets(error, &mut command).to_string()
    }

    #[test]
    fn a_secret_is_not_repeated() {
        for arguments in [&["nuncio", "serve", "--token", "s3cret"][..], &["nuncio", "serve", "--token=s3cret"]] {
            let message = message(arguments);
            assert!(!message.contains("s3cret"), "{message}");
            assert!(message.contains("--token <token>") && message.contains("invalid digit"), "{message}");
        }
    }

    #[test]
    fn other_values_are_repeated() {
        let message = message(&["nuncio", "serve", "--drain", "soon"]);
        assert!(message.contains("soon"), "{message}");
    }
}
