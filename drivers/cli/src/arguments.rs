//! Errors of the command line.

use std::borrow::Cow;
use std::error::Error as _;
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseIntError};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

use crate::text::{eprint_line, sanitize};

/// Takes the place of a value that may be a secret.
const HIDDEN: &str = "(hidden)";

/// Prints the error, or the help that was asked for, and ends the process.
pub(crate) fn exit(error: Error, command: &mut Command) -> ! {
    if !error.use_stderr() {
        error.exit();
    }
    let code = error.exit_code();
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    message(error, command, &arguments).lines().for_each(eprint_line);
    std::process::exit(code)
}

/// Returns the lines of an error. They do not repeat the value of an option which may be a secret: one whose value is not shown
/// when it comes from the environment. Nor do they repeat an argument that was meant as another value of such an option. What
/// came from outside can neither forge a line nor act on the terminal.
pub(crate) fn message(mut error: Error, command: &mut Command, arguments: &[String]) -> String {
    command.build();
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(unexpected)) = error.get(ContextKind::InvalidArg)
        && follows_secret(command, arguments, unexpected)
    {
        error.insert(ContextKind::InvalidArg, ContextValue::String(HIDDEN.to_owned()));
    }
    if let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg)
        && is_secret(command, option)
        && matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if !value.is_empty())
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String(HIDDEN.to_owned()));
    }
    improve(&mut error, command);
    let safe = |text: &String| sanitize(&without_login(text)).into_owned();
    let shown: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(safe(text)))),
            ContextValue::Strings(texts) => Some((kind, ContextValue::Strings(texts.iter().map(safe).collect()))),
            _ => None,
        })
        .collect();
    for (kind, value) in shown {
        error.insert(kind, value);
    }
    let text = error.render().to_string();
    match error.source() {
        Some(reason) => text.replace(&reason.to_string(), &sanitize(&sentence(reason))),
        None => text,
    }
}

/// Adds what clap does not know: that a word may belong to the value before it, where a value came from, and which options are
/// required.
fn improve(error: &mut Error, command: &mut Command) {
    let invalid = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(invalid)) => invalid.clone(),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::UnknownArgument if !invalid.is_empty() && !invalid.starts_with('-') => {
            let tip = StyledStr::from("put a value that contains spaces in quotes");
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            if let Some(name) = variable_of(command, &invalid) {
                let source = format!("the environment variable {name}, which stands for {invalid}");
                error.insert(ContextKind::InvalidArg, ContextValue::String(source));
            }
        }
        // Options whose values came from the environment would be shown as if they were missing.
        ErrorKind::MissingRequiredArgument => {
            let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return };
            let words: Vec<String> = usage.to_string().split_whitespace().skip(2).map(str::to_owned).collect();
            let usage = usage_of(command, &words);
            error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
        }
        _ => {}
    }
}

/// Returns the usage of the subcommand that these words name.
fn usage_of(command: &mut Command, words: &[String]) -> StyledStr {
    match words.split_first() {
        Some((word, rest)) if command.find_subcommand(word).is_some() => match command.find_subcommand_mut(word) {
            Some(below) => usage_of(below, rest),
            None => StyledStr::new(),
        },
        _ => command.render_usage(),
    }
}

/// Returns the environment variable that an option has its value from.
fn variable_of(command: &Command, option: &str) -> Option<String> {
    let own = command.get_arguments().find(|arg| arg.to_string() == option).and_then(|arg| {
        let name = arg.get_env().filter(|name| std::env::var_os(name).is_some())?;
        let long = format!("--{}", arg.get_long()?);
        let is_given = |text: OsString| text.to_str().is_some_and(|text| text.split('=').next() == Some(&*long));
        (!std::env::args_os().any(is_given)).then(|| name.to_string_lossy().into_owned())
    });
    own.or_else(|| command.get_subcommands().find_map(|command| variable_of(command, option)))
}

/// Returns why a value is not valid. What the standard library says of numbers is no advice.
fn sentence(reason: &(dyn std::error::Error + 'static)) -> String {
    match reason.downcast_ref::<ParseIntError>().map(ParseIntError::kind) {
        Some(IntErrorKind::PosOverflow) => "the number is too large".to_owned(),
        Some(IntErrorKind::Zero) => "write a number of at least 1".to_owned(),
        Some(_) => "write a whole number in digits".to_owned(),
        None => {
            let reason = reason.to_string();
            range(&reason).unwrap_or_else(|| without_login(&reason).into_owned())
        }
    }
}

/// Says in words which numbers are valid, of a reason such as `0 is not in 1..=1000`.
fn range(reason: &str) -> Option<String> {
    let (first, last) = reason.split_once(" is not in ")?.1.split_once("..")?;
    let number = |text: &str| text.parse::<i64>().ok();
    let first = number(first)?;
    Some(match last.strip_prefix('=') {
        Some(last) => format!("write a whole number from {first} to {}", number(last)?),
        None => format!("write a whole number that is at least {first}"),
    })
}

/// Hides the user name and the password of a URL.
fn without_login(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Cow::Borrowed(text) };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@') {
        Some(end) => Cow::Owned(format!("{scheme}://{HIDDEN}{}", rest.get(end..).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

fn is_secret(command: &Command, option: &str) -> bool {
    let is_it = |arg: &Arg| arg.is_hide_env_values_set() && arg.to_string() == option;
    command.get_arguments().any(is_it) || command.get_subcommands().any(|command| is_secret(command, option))
}

/// Whether an argument stands after an option whose value may be a secret, with no other option between them.
fn follows_secret(command: &Command, arguments: &[String], unexpected: &str) -> bool {
    let before = |at: usize| arguments.get(..at)?.iter().rev().find(|argument| argument.starts_with('-'));
    let places = arguments.iter().enumerate().filter(|(_, argument)| *argument == unexpected);
    places.filter_map(|(at, _)| before(at)?.split('=').next()).any(|option| names_secret(command, option))
}

fn names_secret(command: &Command, option: &str) -> bool {
    let is_it = |arg: &Arg| arg.is_hide_env_values_set() && arg.get_long() == option.strip_prefix("--");
    command.get_arguments().any(is_it) || command.get_subcommands().any(|command| names_secret(command, option))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;

    fn message(arguments: &[&str]) -> String {
        let arg = |name: &'static str| Arg::new(name).long(name).value_parser(clap::value_parser!(u8));
        let quotes = |text: &str| Err::<String, _>(format!("{text} is not a size"));
        let size = Arg::new("size").long("size").value_parser(quotes);
        let shards = Arg::new("shards").long("shards").value_parser(clap::value_parser!(std::num::NonZeroU32));
        let drain = arg("drain");
        let serve = Command::new("serve").arg(arg("token").hide_env_values(true)).args([drain, size, shards]);
        let mut command = Command::new("nuncio").subcommand(serve);
        let error = command.clone().try_get_matches_from(arguments).unwrap_err();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        super::message(error, &mut command, &arguments)
    }

    #[test]
    fn another_value_of_a_secret_option_is_not_repeated() {
        for arguments in [
            &["nuncio", "serve", "--token", "1", "s3cret=me"][..],
            &["nuncio", "serve", "--token=1", "s3cret"],
            &["nuncio", "serve", "--drain=1", "--token", "1", "s3cret=me"],
        ] {
            let message = message(arguments);
            assert!(!message.contains("s3cret"), "{message}");
            assert!(message.contains("unexpected argument '(hidden)'"), "{message}");
        }
        for arguments in [&["nuncio", "serve", "--drain", "1", "a=b"][..], &["nuncio", "serve", "--token=1", "--a=b"]] {
            let message = message(arguments);
            assert!(message.contains("unexpected argument") && !message.contains(HIDDEN), "{message}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated() {
        for arguments in [&["nuncio", "serve", "--token", "s3cret"][..], &["nuncio", "serve", "--token=s3cret"]] {
            let message = message(arguments);
            assert!(!message.contains("s3cret"), "{message}");
            assert!(message.contains("--token <token>") && message.contains("a whole number"), "{message}");
        }
    }

    #[test]
    fn a_missing_value_is_not_an_invalid_one() {
        for option in ["--token", "--drain"] {
            let message = message(&["nuncio", "serve", option]);
            assert!(message.contains("a value is required for") && !message.contains(HIDDEN), "{message}");
        }
    }

    #[test]
    fn a_range_is_said_in_words() {
        assert_eq!(range("0 is not in 1..=1000").as_deref(), Some("write a whole number from 1 to 1000"));
        assert_eq!(range("0 is not in 1..").as_deref(), Some("write a whole number that is at least 1"));
        assert_eq!(range("it is not in the list..."), None);
    }

    #[test]
    fn other_values_are_repeated() {
        let message = message(&["nuncio", "serve", "--drain", "soon"]);
        assert!(message.contains("soon"), "{message}");
    }

    #[test]
    fn the_login_of_a_url_is_not_repeated() {
        for url in ["nats://user:s3cret@host:1", "redis://:s3cret@host", "ws://s3cret@host/a@b", "ws://u:s3@cret@host"]
        {
            for arguments in [["nuncio", "serve", "--drain", url], ["nuncio", "serve", "--size", url]] {
                let message = message(&arguments);
                assert!(!message.contains("s3") && message.contains("://(hidden)@host"), "{message}");
            }
        }
        assert_eq!(without_login("ws://host/a@b"), "ws://host/a@b");
    }

    #[test]
    fn what_is_no_number_is_explained() {
        let said = message(&["nuncio", "serve", "--drain", "99999999999999999999"]);
        assert!(said.contains("the number is too large"), "{said}");
        let said = message(&["nuncio", "serve", "--shards", "0"]);
        assert!(said.contains("write a number of at least 1") && !said.contains("non-zero"), "{said}");
        let said = message(&["nuncio", "serve", "--drain", "soon"]);
        assert!(said.contains("write a whole number in digits") && !said.contains("invalid digit"), "{said}");
    }

    #[test]
    fn what_came_from_outside_forges_no_line() {
        let forged = "x\nnuncio: all is well";
        for arguments in [
            ["nuncio", "serve", "--drain", forged],
            ["nuncio", "serve", "--size", forged],
            ["nuncio", "serve", "--drain=1", forged],
            ["nuncio", "serve", "--drain=1", &format!("--{forged}")],
        ] {
            let message = message(&arguments);
            assert!(!message.lines().any(|line| line.starts_with("nuncio:")), "{message}");
            assert!(message.contains("x nuncio: all is well"), "{message}");
        }
    }
}
