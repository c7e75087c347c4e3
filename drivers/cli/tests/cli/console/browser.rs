//! A browser without a window, driven by `WebDriver`: Debian's chromium and chromium-driver.
//!
//! `WebDriver` is HTTP and JSON, and the tests need six of its requests to a program of their own. The crate `fantoccini` would
//! bring an ICU, a second version of `http` and ten more versions that deny.toml refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// The profile, which is empty at the start.
    _profile: tempfile::TempDir,
}

/// How long a condition may take to become true, in milliseconds.
const PATIENCE: u32 = 30_000;

impl Browser {
    /// Starts a browser with a window of this size.
    pub(crate) fn start(width: u32, height: u32) -> Browser {
        Browser::with(width, height, &[])
    }

    pub(crate) fn with(width: u32, height: u32, arguments: &[&str]) -> Browser {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null());
        let mut driver =
            command.spawn().expect("chromedriver runs; install it with: apt-get install chromium chromium-driver");
        let mut out = BufReader::new(driver.stdout.take().expect("stdout is piped"));
        let port = loop {
            let mut line = String::new();
            assert_ne!(out.read_line(&mut line).expect("a line"), 0, "chromedriver ended before it listened");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches(['.', '\n']).parse().expect("a port");
            }
        };
        // Whatever it prints later must not fill the pipe.
        std::thread::spawn(move || drop(std::io::copy(&mut out, &mut std::io::sink())));
        let profile = tempfile::tempdir().expect("a folder");
        let mut flags: Vec<String> = [
            "headless",
            "no-sandbox",
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "disable-dev-shm-usage",
            "hide-scrollbars",
        ]
        .map(|flag| format!("--{flag}"))
        .into();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        flags.push(format!("--window-size={width},{height}"));
        flags.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let mut browser = Browser { driver, port, session: String::new(), _profile: profile };
        let options = json!({"args": flags});
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": PATIENCE}});
        let session = browser.post("/session", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        browser
    }

    pub(crate) fn open(&self, url: &str) {
        self.post(&format!("{}/url", self.session), &json!({"url": url}));
    }

    /// Gives the page a screen of this size, which may be narrower than a window can be.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": screen});
        self.post(&format!("{}/goog/cdp/execute", self.session), &command);
    }

    /// Runs the body of a function, and returns what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post(&format!("{}/execute/sync", self.session), &json!({"script": script, "args": []}))
    }

    pub(crate) fn text(&self, css: &str) -> String {
        let text = self.run(&format!("return document.querySelector({}).textContent", json!(css)));
        text.as_str().expect("a text").to_owned()
    }

    pub(crate) fn count(&self, css: &str) -> u64 {
        self.run(&format!("return document.querySelectorAll({}).length", json!(css))).as_u64().expect("a count")
    }

    /// Waits until an expression is true. `$` is `document.querySelector`, `$$` all of them, and `all` their texts.
    pub(crate) fn until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const $ = (css) => document.querySelector(css);
             const $$ = (css) => [...document.querySelectorAll(css)];
             const all = (css) => $$(css).map((node) => node.textContent);
             const look = () => {{
                let is = false;
                try {{ is = Boolean({condition}); }} catch (error) {{ if (!(error instanceof TypeError)) throw error; }}
                if (is) done(true); else setTimeout(look, 15);
             }};
             look();"
        );
        let answer =
            self.request("POST", &format!("{}/execute/async", self.session), &json!({"script": script, "args": []}));
        if let Err(error) = answer {
            let page = self.run("return document.body.innerText");
            panic!(
                "{condition} does not come true: {error}\n{}\n{:#?}",
                page.as_str().unwrap_or_default(),
                self.logs()
            );
        }
    }

    /// Clicks an element as a user does: it has to be on the screen, and nothing may cover it.
    pub(crate) fn click(&self, css: &str) {
        let element = self.element(css);
        self.post(&format!("{}/element/{element}/click", self.session), &json!({}));
    }

    /// Types into an element.
    pub(crate) fn write(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.post(&format!("{}/element/{element}/value", self.session), &json!({"text": text}));
    }

    /// Presses keys, wherever the focus is.
    pub(crate) fn press(&self, keys: &[char]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})])
            .collect();
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.post(&format!("{}/actions", self.session), &actions);
    }

    pub(crate) fn reload(&self) {
        self.post(&format!("{}/refresh", self.session), &json!({}));
    }

    /// Writes what is on the screen to a PNG file.
    pub(crate) fn screenshot(&self, path: &Path) {
        let image = self.request("GET", &format!("{}/screenshot", self.session), &Value::Null).expect("a screenshot");
        let image = STANDARD.decode(image.as_str().expect("base64")).expect("base64");
        std::fs::write(path, image).expect("the file can be written");
    }

    /// What the browser has complained about since the last call: errors of scripts, and violations of the policy.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let logs = self.logs();
        let logs = logs.iter().filter(|log| log["level"] == "SEVERE").map(|log| log["message"].to_string());
        // A WebSocket that cannot be opened is logged whatever a page does.
        logs.filter(|message| !message.contains("WebSocket connection to")).collect()
    }

    fn logs(&self) -> Vec<Value> {
        let logs = self.post(&format!("{}/se/log", self.session), &json!({"type": "browser"}));
        logs.as_array().expect("a list").clone()
    }

    fn element(&self, css: &str) -> String {
        let found = self.post(&format!("{}/element", self.session), &json!({"using": "css selector", "value": css}));
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("no {css}")).to_owned()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.request("POST", path, body).unwrap_or_else(|error| panic!("POST {path} {body}: {error}"))
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("chromedriver listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("the request is sent");
        let mut answer = BufReader::new(stream);
        let mut line = String::new();
        answer.read_line(&mut line).expect("a status");
        let is_success = line.contains(" 200 ");
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            answer.read_line(&mut line).expect("a header");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).expect("the body");
        let mut body: Value = serde_json::from_slice(&body).expect("JSON");
        if is_success { Ok(body["value"].take()) } else { Err(body["value"].take()) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser. It fails if the browser has crashed.
        drop(self.request("DELETE", &self.session, &Value::Null));
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
