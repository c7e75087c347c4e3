//! Saved runtimes: `context`, and what is used without options.

use std::process::Command;

use super::runtime::{Done, Runtime, TOKEN};

/// A command that knows the runtime only from its saved contexts.
fn bare(runtime: &Runtime, arguments: &[&str]) -> Command {
    let mut command = runtime.command(arguments);
    command.env_remove("NUNCIO_URL").env_remove("NUNCIO_TOKEN");
    command
}

fn run(runtime: &Runtime, arguments: &[&str]) -> Done {
    bare(runtime, arguments).output().unwrap().into()
}

#[test]
fn a_saved_runtime_is_used_without_its_url_and_token() {
    let (runtime, other) = (Runtime::start(), Runtime::start());
    let added = run(&runtime, &["context", "add", "home", "--url", runtime.url(), "--token", TOKEN]);
    assert_eq!((added.code, added.stdout.as_str()), (Some(0), ""), "{}", added.stderr);
    let file = runtime.folder.path().join("token");
    std::fs::write(&file, "tok-bob").unwrap();
    let added =
        run(&runtime, &["context", "add", "other", "--url", other.url(), "--token-file", file.to_str().unwrap()]);
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    assert_eq!(run(&runtime, &["context", "use", "home"]).code, Some(0));
    let echo = run(&runtime, &["submit", "echo", "--input", "1"]);
    assert_eq!((echo.code, echo.stdout.trim()), (Some(0), r#"{"echoed":1}"#), "{}", echo.stderr);

    let listed = run(&runtime, &["context", "list"]);
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(lines[1].starts_with("*  home") && lines[1].ends_with("saved"), "{}", listed.stdout);
    assert!(lines[2].starts_with("   other") && lines[2].ends_with("/token"), "{}", listed.stdout);
    assert!(!listed.stdout.contains(TOKEN), "the token is not shown");
    assert!(!run(&runtime, &["context", "list", "--json"]).stdout.contains(TOKEN));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let saved = runtime.folder.path().join("config/nuncio/contexts.json");
        assert_eq!(std::fs::metadata(saved).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let there = bare(&runtime, &["jobs", "--context", "other"]).env("NUNCIO_URL", runtime.url()).output().unwrap();
    assert_eq!(there.stdout, b"", "the flag wins over the variable: {there:?}");
    assert_eq!(run(&runtime, &["jobs"]).stdout.lines().count(), 2, "the job at home");
    let there = bare(&runtime, &["jobs"]).env("NUNCIO_CONTEXT", "other").output().unwrap();
    assert_eq!((there.status.code(), there.stdout), (Some(0), Vec::new()));
}

#[test]
fn a_saved_token_is_sent_to_its_own_url_only() {
    let (runtime, other) = (Runtime::start(), Runtime::start());
    run(&runtime, &["context", "add", "home", "--url", runtime.url(), "--token", TOKEN]);
    let refused = run(&runtime, &["jobs", "--url", other.url()]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("there is no token"), "{}", refused.stderr);
    assert_eq!(run(&runtime, &["jobs", "--url", runtime.url()]).code, Some(0));
}

#[test]
fn an_unknown_context_is_refused_with_those_that_there_are() {
    let runtime = Runtime::start();
    let none = run(&runtime, &["context", "use", "home"]);
    assert!(none.code == Some(2) && none.stderr.contains("none is saved"), "{}", none.stderr);
    run(&runtime, &["context", "add", "home", "--url", runtime.url()]);
    for arguments in [&["context", "use", "away"][..], &["context", "remove", "away"], &["jobs", "--context", "away"]] {
        let refused = run(&runtime, arguments);
        assert!(refused.code == Some(2) && refused.stderr.contains("; saved: home; "), "{}", refused.stderr);
    }
    assert_eq!(run(&runtime, &["context", "remove", "home"]).code, Some(0));
    for wrong in [&["a b", "--url", "ws://127.0.0.1:1/"][..], &["a", "--url", "http://127.0.0.1"], &["a"]] {
        assert_eq!(run(&runtime, &[&["context", "add"], wrong].concat()).code, Some(2), "{wrong:?}");
    }
}

#[test]
fn the_url_on_which_serve_listens_is_the_default() {
    let runtime = Runtime::start();
    let unreachable = run(&runtime, &["jobs", "--token", "t"]);
    assert_ne!(unreachable.code, Some(2), "no option is missing: {}", unreachable.stderr);
    assert!(!unreachable.stderr.contains("--url <URL>"), "{}", unreachable.stderr);
}

#[test]
fn what_removes_a_context_says_so_and_what_to_use_then() {
    let runtime = Runtime::start();
    for name in ["home", "work"] {
        run(&runtime, &["context", "add", name, "--url", runtime.url(), "--token", TOKEN]);
    }
    let removed = run(&runtime, &["context", "remove", "work"]);
    assert_eq!(removed.code, Some(0), "{}", removed.stderr);
    assert!(removed.stderr.contains("the context work is removed"), "{}", removed.stderr);
    assert!(removed.stderr.contains("nuncio context use"), "{}", removed.stderr);
    let refused = bare(&runtime, &["jobs"]).env("NUNCIO_URL", runtime.url()).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("there is no token") && said.contains("nuncio context use NAME"), "{said}");
    let removed = run(&runtime, &["context", "remove", "home"]);
    assert!(!removed.stderr.contains("nuncio context use"), "there is none to use: {}", removed.stderr);
}

#[test]
fn a_token_file_that_cannot_be_read_is_not_saved() {
    let runtime = Runtime::start();
    let added = run(&runtime, &["context", "add", "home", "--url", runtime.url(), "--token-file", "/no/such/file"]);
    assert_eq!(added.code, Some(2), "{}", added.stderr);
    assert!(added.stderr.contains("/no/such/file"), "{}", added.stderr);
    assert_eq!(run(&runtime, &["context", "list"]).stdout, "");
}
