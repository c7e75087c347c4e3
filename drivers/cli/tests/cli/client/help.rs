//! Help texts, completions and man pages.

use super::runtime::Runtime;
use crate::support::{run, stdout};

const COMMANDS: [&str; 22] = [
    "demo",
    "serve",
    "submit",
    "tail",
    "jobs",
    "top",
    "describe",
    "wait",
    "agents",
    "status",
    "sessions",
    "cancel",
    "questions",
    "answer",
    "context",
    "cap",
    "caracal",
    "replay",
    "journal",
    "conformance",
    "completions",
    "man",
];
const CARACAL_COMMANDS: [&str; 10] =
    ["coordinator", "inspect-headers", "demo", "token", "spawn", "terminate", "delegate", "revoke", "list", "tree"];
const CAP_COMMANDS: [&str; 7] = ["worker", "router", "submit", "watch", "bus", "keygen", "demo"];

/// The long help of a command, at the width that is used where there is no terminal: 100 columns.
fn help(arguments: &[&str]) -> String {
    help_at(100, arguments)
}

fn help_at(columns: u32, arguments: &[&str]) -> String {
    let mut command = crate::support::nuncio(arguments);
    let output = command.arg("--help").env("COLUMNS", columns.to_string()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    stdout(&output).to_owned()
}

#[test]
fn every_command_has_an_example() {
    for command in COMMANDS.into_iter().filter(|command| *command != "serve") {
        let help = help(&[command]);
        assert!(help.contains("Example") && help.contains(&format!("nuncio {command} ")), "{help}");
        insta::assert_snapshot!(command, help);
    }
}

#[test]
fn every_command_of_cap_lists_its_exit_codes_or_its_end() {
    for command in CAP_COMMANDS {
        let help = help(&["cap", command]);
        assert!(help.contains("Exit codes") || help.contains("exit code"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        insta::assert_snapshot!(format!("cap-{command}"), help);
    }
}

#[test]
fn every_command_of_caracal_lists_its_exit_codes() {
    for command in CARACAL_COMMANDS {
        let help = help(&["caracal", command]);
        assert!(help.contains("Exit codes"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        insta::assert_snapshot!(format!("caracal-{command}"), help);
    }
}

#[test]
fn help_says_in_one_way_that_an_option_repeats_and_shows_no_values_of_the_environment() {
    let cap = CAP_COMMANDS.map(|command| vec!["cap", command]);
    let caracal = CARACAL_COMMANDS.map(|command| vec!["caracal", command]);
    for command in COMMANDS.map(|command| vec![command]).into_iter().chain(cap).chain(caracal) {
        let help = help(&command).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!help.contains("several times"), "{command:?}: {help}");
        assert!(!help.contains("=]"), "{command:?}: {help}");
    }
}

#[test]
fn examples_and_notes_fit_80_columns() {
    fn notes(help: &str) -> &str {
        &help[help.find("\nExample").unwrap()..]
    }
    for command in COMMANDS {
        assert_eq!(notes(&help_at(80, &[command])), notes(&help_at(200, &[command])), "{command}");
    }
    assert_eq!(notes(&help_at(80, &[])), notes(&help_at(200, &[])));
}

#[test]
fn the_help_names_every_command() {
    let help = help(&[]);
    for command in COMMANDS {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help}");
    }
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = stdout(&output);
        assert!(script.contains("nuncio") && script.contains("idempotency-key"), "{shell}");
        assert!(!script.contains("tok-"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn bash_loads_the_completions() {
    let script = "set -e; source <(\"$0\" completions bash); COMP_WORDS=(nuncio sub); COMP_CWORD=1; \
                  _nuncio nuncio sub nuncio; echo \"${COMPREPLY[@]}\"";
    let output =
        std::process::Command::new("bash").args(["-c", script, env!("CARGO_BIN_EXE_nuncio")]).output().unwrap();
    assert_eq!(stdout(&output).trim(), "submit", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_command_has_a_man_page() {
    let runtime = Runtime::start();
    let folder = runtime.folder.path().join("share/man1");
    assert_eq!(runtime.run(&["man", folder.to_str().unwrap()]).code, Some(0));
    for command in [
        "nuncio",
        "nuncio-submit",
        "nuncio-tail",
        "nuncio-jobs",
        "nuncio-cancel",
        "nuncio-serve",
        "nuncio-replay",
        "nuncio-journal",
        "nuncio-journal-check",
    ] {
        let page = std::fs::read_to_string(folder.join(format!("{command}.1"))).unwrap();
        assert!(page.contains(".TH"), "{command}");
    }
    let page = std::fs::read_to_string(folder.join("nuncio-submit.1")).unwrap();
    assert!(page.contains("Exit codes"), "{page}");
    assert!(page.contains(".SH NOTES\n.nf\n"), "the lines of the notes are kept: {page}");
}

#[test]
fn an_error_of_the_command_line_does_not_repeat_a_secret() {
    for arguments in [&["serve", "--token", "s3cret"][..], &["serve", "--token=s3cret"]] {
        let output = crate::support::nuncio(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("--token") && text.contains("TOKEN=PRINCIPAL"), "{text}");
    }
    let output = crate::support::nuncio(&["serve", "--token", "a=b", "s3cret=me"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("unexpected argument '(hidden)'") && !text.contains("s3cret"), "{text}");
    let output = crate::support::nuncio(&["serve"]).env("NUNCIO_TOKENS", "s3cret").output().unwrap();
    assert!(!String::from_utf8(output.stderr).unwrap().contains("s3cret"));
}
