//! What `nuncio serve` says as it starts, or why it does not.

use crate::messages::{file, said};
use crate::support::{Serving, nuncio, run, stderr, stdout};

#[test]
fn an_address_that_is_none_is_invalid_usage() {
    for option in ["--listen", "--metrics", "--console"] {
        let listen: &[&str] = if option == "--listen" { &[] } else { &["--listen", "127.0.0.1:0"] };
        let (code, message) = said(&[&["serve", "--demo-agents", "--token", "t=me", option, "x"][..], listen].concat());
        assert_eq!(code, Some(2), "{option}: {message}");
        assert!(message.contains(&format!("write {option} as HOST:PORT")), "{option}: {message}");
    }
    let (code, message) = said(&["conformance", "--serve", "x"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("write --serve as HOST:PORT") && !message.contains("--listen"), "{message}");
}

#[test]
fn two_addresses_with_one_port_are_named_with_their_flags() {
    for (address, other) in [("127.0.0.1:7799", "127.0.0.1:7799"), ("0.0.0.0:7799", "127.0.0.1:7799")] {
        for (flag, earlier) in [("--console", "--listen"), ("--metrics", "--listen"), ("--metrics", "--console")] {
            let output = run(&["serve", "--demo-agents", "--token", "t=me", earlier, address, flag, other]);
            assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
            let said = format!("{earlier} and {flag} have the same port, 7799; give each a port of its own");
            assert!(stderr(&output).contains(&said), "{}", stderr(&output));
        }
    }
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_gives_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let serve = ["serve", "--demo-agents", "--token", "t=me", "--listen", "127.0.0.1:0"];
    let bus = ["cap", "bus", "--listen-redis", "127.0.0.1:0"];
    let commands: [(&[&str], _, _); 6] = [
        (&["serve", "--demo-agents"], "--listen", 1),
        (&serve, "--metrics", 1),
        (&serve, "--console", 1),
        (&bus, "--listen", 6),
        (&["caracal", "coordinator", "--application", "a=s3cret"], "--listen", 6),
        (&["conformance"], "--serve", 2),
    ];
    for (command, option, exit) in commands {
        let output = run(&[command, &[option, &address]].concat());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(exit), "{command:?}: {message}");
        let advice = "another program uses this port: stop it, or give another port with ";
        assert!(message.contains(&format!("{advice}{option} HOST:PORT")), "{command:?}: {message}");
        assert!(message.contains(&format!("cannot listen on {address}")), "{command:?}: {message}");
    }
}

/// A generated token is shown once, on stdout, and stderr says how clients get it.
#[test]
fn a_generated_token_is_said_to_belong_into_the_environment() {
    let mut serving = Serving::start(&[]);
    let line = serving.until("no token was given");
    assert!(line.contains(&format!("export NUNCIO_URL={} NUNCIO_TOKEN=", serving.url)), "{line}");
    let token = serving.generated.clone().expect("a token");
    let mut command = nuncio(&["submit", "echo"]);
    let output = command.env("NUNCIO_URL", &serving.url).env("NUNCIO_TOKEN", &token).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!line.contains(&token) && serving.log().iter().all(|line| !line.contains(&token)));
    let log = Serving::start(&["--token", "t=me"]).log();
    assert!(log.iter().all(|line| !line.contains("no token was given")), "{log:?}");
}

/// Whether a flag or the file says it.
#[test]
fn what_has_no_effect_without_a_journal_is_said_at_the_start_and_by_check() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(
        &folder,
        "nuncio.toml",
        b"demo-agents = true\n[security]\ntoken = [\"t=me\"]\n[agents.report]\ncommand = \"true\"\nrestart = \"rerun\"\n",
    );
    let flags = ["serve", "--listen", "127.0.0.1:0", "--config", &config, "--restart", "echo=rerun"];
    let mut serving = Serving::of(nuncio(&flags));
    let both = "nuncio: warning: --restart echo=rerun and --restart report=rerun have no effect without --journal FILE";
    serving.until(both);
    let checked = run(&[&flags[..], &["--check"]].concat());
    for line in ["rerun for echo (no effect without a journal)", "rerun for report (no effect without a journal)"] {
        assert!(stdout(&checked).contains(line), "{}", stdout(&checked));
    }
    let journal = folder.path().join("journal").to_str().expect("text").to_owned();
    let with_journal = [&flags[..], &["--journal", &journal]].concat();
    let checked = run(&[&with_journal[..], &["--check"]].concat());
    assert!(!stdout(&checked).contains("no effect"), "{}", stdout(&checked));
    let log = Serving::of(nuncio(&with_journal)).log();
    assert!(log.iter().all(|line| !line.contains("no effect")), "{log:?}");
}

/// The server could not know who the client is.
#[test]
fn a_token_of_two_principals_is_refused_wherever_it_comes_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = file(&folder, "tokens", b"s3cret=b\ns3cret=c\n");
    let config = file(&folder, "nuncio.toml", b"[security]\ntoken = [\"s3cret=b\", \"s3cret=c\"]\n");
    let other = file(&folder, "other", b"s3cret=c\n");
    let faults: [&[&str]; 4] = [
        &["--token", "s3cret=b,s3cret=c"],
        &["--token-file", &tokens],
        &["--config", &config],
        &["--token", "s3cret=b", "--token-file", &other],
    ];
    for fault in faults {
        let output = run(&[&["serve", "--check", "--demo-agents"], fault].concat());
        assert_eq!(output.status.code(), Some(2), "{fault:?}");
        assert!(stderr(&output).contains("one token is given for two principals, b and c;"), "{}", stderr(&output));
        assert!(!stderr(&output).contains("s3cret"), "{}", stderr(&output));
    }
    let twice = run(&["serve", "--check", "--demo-agents", "--token", "s3cret=b,s3cret=b"]);
    assert_eq!(twice.status.code(), Some(0), "{}", stderr(&twice));
}

#[test]
fn a_principal_that_cannot_log_in_is_said_by_check_too() {
    let check = ["serve", "--check", "--demo-agents", "--token", "t=me", "--operator", "opps"];
    let output = run(&check);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("warning: --operator opps has no effect, because no token has this principal"));
    let folder = tempfile::tempdir().expect("a folder");
    let secret = file(&folder, "secret", b"a secret that is long enough for HS256");
    let output = run(&[&check[..], &["--jwt-secret-file", &secret]].concat());
    assert!(!stderr(&output).contains("has no effect"), "it may have a JSON Web Token: {}", stderr(&output));
}

#[test]
fn a_key_that_is_missing_is_named_with_the_flag_of_the_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().to_str().expect("a path that is text");
    let pool =
        ["serve", "--check", "--cap-agent", "a=job.a", "--cap", "nats://127.0.0.1:1", "--cap-id", "c", "--cap-keys"];
    let submit = ["cap", "submit", "job.a", "--input", "1", "--id", "c", "--keys"];
    for (command, flag) in [(&pool[..], "--cap-key"), (&submit, "--key")] {
        let output = run(&[command, &[keys]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(&format!("or name it with {flag} FILE\n")), "{}", stderr(&output));
    }
}

#[test]
fn options_without_an_effect_are_said_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(&folder, "nuncio.toml", b"demo-agents = true\n");
    let effects = |more: &[&str]| {
        // Without clients, stdin ends at once.
        let output = run(&[&["serve", "--demo-agents", "--token", "t=me", "--stdio"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let warnings = stderr(&output).lines().filter_map(|line| line.strip_prefix("nuncio: warning: "));
        warnings.map(str::to_owned).collect::<Vec<_>>()
    };
    let warns = |more: &[&str], option: &str| {
        let said = effects(more);
        assert!(said.len() == 1 && said[0].starts_with(&format!("{option} has no effect")), "{more:?}: {said:?}");
    };
    warns(&["--watch"], "--watch");
    warns(&["--path", "/jobs"], "--path");
    warns(&["--operator", "you"], "--operator you");
    warns(&["--approver", "me", "--approver", "you"], "--approver you");
    for used in [
        &["--operator", "me", "--approver", "me"][..],
        &["--watch", "--config", &config],
        &["--path", "/jobs", "--listen", "127.0.0.1:0"],
    ] {
        assert_eq!(effects(used), [""; 0], "{used:?}");
    }
}

#[test]
fn an_operator_without_a_name_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(&folder, "nuncio.toml", b"[security]\ntoken = [\"t=me\"]\napprover = [\"\"]\n");
    for (arguments, option) in
        [(["--token", "t=me", "--operator", ""].as_slice(), "--operator"), (&["--config", &config], "--approver")]
    {
        let (code, message) = said(&[&["serve", "--demo-agents", "--check"], arguments].concat());
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(&format!("{option} names no principal")), "{message}");
    }
}
