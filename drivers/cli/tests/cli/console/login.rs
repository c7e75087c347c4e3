//! Tokens: right ones, wrong ones, kept ones.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::{Browser, Site, row};
use crate::support::{nuncio, run, stderr};

/// A console that other machines can reach needs a token, as an address of clients does.
#[test]
fn without_a_token_a_console_is_served_on_loopback_only() {
    let output = run(&["serve", "--demo-agents", "--listen", "127.0.0.1:0", "--console", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--token"), "{}", stderr(&output));
}

/// With stdin and stdout alone any token is accepted, because only the parent process can write there. A console can be reached
/// by every process of the machine.
#[test]
fn a_console_beside_stdio_has_a_token() {
    let mut command = nuncio(&["serve", "--demo-agents", "--stdio", "--console", "127.0.0.1:0"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines: Vec<String> = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.starts_with("READY"))
        .collect();
    drop(child.stdin.take());
    drop(child.kill());
    drop(child.wait());
    assert!(lines.iter().any(|line| line.contains("console on http://127.0.0.1:")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("TOKEN ")), "{lines:?}");
}

#[test]
fn a_wrong_token_is_refused_and_the_right_one_opens_the_page() {
    let site = Site::start(&[]);
    let job = site.submit(&["echo"]);
    let browser = Browser::start(1280, 900);
    browser.open(&site.console);
    browser.until("$('#url').value.startsWith('ws://127.0.0.1:')");
    browser.write("#token", "tok-mallory");
    browser.click("#connect");
    browser.until("$('#login-error').textContent.includes('does not accept this token')");
    browser.until("document.activeElement === $('#token') && !$('#connect').disabled");
    assert!(!browser.text("body").contains("mallory"), "the token is not shown");
    browser.run("document.getElementById('token').value = ''");
    browser.write("#token", "tok-me");
    browser.click("#connect");
    browser.until(&format!("$('{}').textContent.includes('succeeded')", row(&job)));
    browser.until("$('#peer').textContent.startsWith('nuncio')");
    let kept =
        browser.run("return [location.href, document.cookie, sessionStorage.length, localStorage.length, token.value]");
    assert_eq!(kept, serde_json::json!([site.console, "", 0, 0, ""]), "the token is in memory alone");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // After a reload nothing is known.
    browser.reload();
    browser.until("!$('#login').hidden && $('#board').hidden && $('#token').value === ''");
}

#[test]
fn a_token_is_kept_for_the_tab_if_the_user_asks_for_it() {
    let site = Site::start(&[]);
    let browser = Browser::start(1280, 900);
    browser.open(&site.console);
    browser.until("$('#url').value");
    browser.write("#token", "tok-me");
    browser.click("#keep");
    browser.click("#connect");
    browser.until("$('#link-text').textContent === 'Live'");
    browser.reload();
    browser.until("$('#link-text').textContent === 'Live' && !$('#board').hidden");
    browser.click("#leave");
    browser.until("!$('#login').hidden && sessionStorage.length === 0");
    browser.reload();
    browser.until("$('#url').value && !$('#login').hidden");
}

#[test]
fn a_url_without_a_runtime_or_with_a_password_is_explained() {
    let site = Site::start(&[]);
    let browser = Browser::start(1280, 900);
    browser.open(&site.console);
    browser.until("$('#url').value");
    browser.write("#token", "tok-me");
    for (url, text) in [
        ("https://127.0.0.1/arcp", "starts with ws://"),
        ("ws://me:secret@127.0.0.1/arcp", "out of the URL"),
        // The port of the page does not serve it there.
        (&site.console.replace("http", "ws").replace("/arcp", "/other"), "No runtime answers"),
    ] {
        browser.run("document.getElementById('url').value = ''");
        browser.write("#url", url);
        browser.click("#connect");
        browser.until(&format!("$('#login-error').textContent.includes('{text}')"));
    }
}
