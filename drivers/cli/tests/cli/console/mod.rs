//! `nuncio serve --console`: the live page in a real browser.
//!
//! - [`login`]: tokens. [`watching`]: jobs and their events. [`acting`]: answers and cancels. [`many`]: 1 000 jobs.
//! - [`runtime`]: the state of the runtime, for operators.
//! - [`hostile`]: texts that would harm a page. [`machine`]: the pure part of the script, fed with frames.
//! - [`browser`]: drives the browser.

mod acting;
mod browser;
mod hostile;
mod login;
mod machine;
mod many;
mod runtime;
mod watching;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::process::Command;

use browser::Browser;
use serde_json::Value;

use crate::support::{Serving, nuncio, stderr, stdout};

/// A server with a console, and programs whose output the test writes.
struct Site {
    serving: Serving,
    console: String,
    folder: tempfile::TempDir,
}

/// What a program of [`Site`] writes. Its job ends once this is dropped.
struct Puppet(File);

impl Puppet {
    fn say(&mut self, message: &Value) {
        writeln!(self.0, "{message}").expect("the program reads");
    }
}

impl Site {
    /// Starts a server with the tokens `tok-me` of `me` and `tok-ops` of `ops`, an operator.
    fn start(arguments: &[&str]) -> Site {
        Site::at("127.0.0.1:0", "127.0.0.1:0", tempfile::tempdir().expect("a folder"), arguments)
    }

    fn at(listen: &str, console: &str, folder: tempfile::TempDir, arguments: &[&str]) -> Site {
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            if !path.exists() {
                std::fs::write(&path, text).expect("the file can be written");
            }
            path.display().to_string()
        };
        // Asks its input, and returns the answer.
        let asks = file(
            "asks.sh",
            r#"read -r input; printf '%s\n' "{\"ask\":$input,\"id\":1}"; read -r answer; printf '%s\n' "{\"result\":$answer}""#,
        );
        // The first run stays, and the one after a restart ends.
        let rerun = file(
            "rerun.sh",
            "read -r input\n\
             printf '%s\\n' \"{\\\"kind\\\":\\\"thought\\\",\\\"body\\\":{\\\"text\\\":\\\"run $NUNCIO_RESTARTS\\\"}}\"\n\
             if [ \"$NUNCIO_RESTARTS\" = 0 ]; then read -r forever; fi\n",
        );
        let pipe = folder.path().join("pipe");
        if !pipe.exists() {
            assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        }
        let mut command = nuncio(&["serve", "--listen", listen, "--console", console, "--demo-agents"]);
        command.args(["--token", "tok-me=me", "--token", "tok-ops=ops", "--operator", "ops"]);
        command.args(["--agent", &format!("mailer=sh {asks}"), "--agent", &format!("rerun=sh {rerun}")]);
        command.args(["--agent", &format!("research@2.1.0=cat {}", pipe.display()), "--restart", "rerun=rerun"]);
        command.args(arguments);
        let mut serving = Serving::of(command);
        let line = serving.until("console on ");
        let console = line.split_whitespace().last().expect("a URL").to_owned();
        Site { serving, console, folder }
    }

    /// Submits a job that nobody follows, and returns its id.
    fn submit(&self, arguments: &[&str]) -> String {
        let output = self.serving.submit("tok-me", &[&["--detach"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    }

    /// Submits a job of the agent `research`, and returns its id and its voice.
    fn puppet(&self, arguments: &[&str]) -> (String, Puppet) {
        let id = self.submit(&[&["research"], arguments].concat());
        let pipe = OpenOptions::new().write(true).open(self.folder.path().join("pipe"));
        (id, Puppet(pipe.expect("the program opens its end")))
    }

    /// Opens the page in a browser and logs in.
    fn browse(&self, token: &str) -> Browser {
        let browser = Browser::start(1280, 1000);
        self.log_in(&browser, token);
        browser
    }

    fn log_in(&self, browser: &Browser, token: &str) {
        browser.open(&self.console);
        browser.until("$('#url').value");
        browser.write("#token", token);
        browser.click("#connect");
        browser.until("!$('#board').hidden && $('#link-text').textContent === 'Live'");
    }
}

/// The row of a job.
fn row(job: &str) -> String {
    format!("#row-{job}")
}
