//! Texts of others are shown and do nothing.

use serde_json::json;

use super::{Site, row};

/// Markup, a script, a terminal's escape sequence, bidi controls, an invisible character, and half of a pair.
const HOSTILE: &str = "<img src=x onerror='window.harmed=1'><script>window.harmed=1</script>\u{1b}[31m\u{7}\u{202e}gnp.exe\u{2066}\u{200b}\u{0}";
/// The same as the page shows it.
const INERT: &str = "<img src=x onerror='window.harmed=1'><script>window.harmed=1</script>\u{241b}[31m\u{2407}\u{27e8}U+202E\u{27e9}gnp.exe\u{27e8}U+2066\u{27e9}\u{27e8}U+200B\u{27e9}\u{2400}";

#[test]
fn a_hostile_event_is_shown_inert() {
    let site = Site::start(&[]);
    let (job, mut puppet) = site.puppet(&[]);
    let browser = site.browse("tok-me");
    browser.until(&format!("$('{}')", row(&job)));
    browser.click(&row(&job));
    let long = format!("{}{}", "long ".repeat(4_000), HOSTILE);
    for event in [
        json!({"kind": "log", "body": {"level": "info", "message": HOSTILE}}),
        json!({"kind": "tool_call", "body": {"tool": HOSTILE, "args": {"a": HOSTILE}, "call_id": HOSTILE}}),
        json!({"kind": "tool_result", "body": {"call_id": HOSTILE, "error": {"code": "X", "message": HOSTILE}}}),
        json!({"kind": "status", "body": {"phase": HOSTILE, "message": HOSTILE}}),
        json!({"kind": "progress", "body": {"current": 1, "total": 2, "units": HOSTILE, "message": HOSTILE}}),
        json!({"kind": "artifact_ref", "body": {"uri": "javascript:window.harmed=1", "content_type": HOSTILE}}),
        json!({"kind": "x-vendor.evil.kind", "body": {"__proto__": {"x": 1}, "constructor": HOSTILE, "list": [HOSTILE]}}),
        json!({"kind": "x-vendor.evil.other", "body": 7}),
        json!({"kind": "thought", "body": {"text": long}}),
    ] {
        puppet.say(&event);
    }
    browser.until("all('#events .kind').at(-1) === 'thought'");
    assert_eq!(browser.run("return document.querySelector('#events li:nth-child(2) .body').textContent"), INERT);
    browser.until(&format!(
        "$('{} .words').textContent === {}",
        row(&job),
        json!(format!("1 of 2 {INERT} \u{b7} {INERT}"))
    ));
    // Long texts are cut, and shown whole on demand.
    let last = "$('#events li:last-child .body')";
    browser.until(&format!("{last}.textContent.length < 1000 && {last}.querySelector('.more')"));
    browser.click("#events li:last-child .more");
    browser.until(&format!("{last}.textContent === {}", json!(format!("{}{INERT}", "long ".repeat(4_000)))));
    puppet.say(&json!({"chunk": HOSTILE}));
    drop(puppet);
    browser.until(&format!("$('#result').textContent === {}", json!(INERT)));
    let question = json!({"prompt": HOSTILE, "choices": [HOSTILE, "no"]});
    site.submit(&["mailer", "--input", &question.to_string()]);
    browser.until(&format!("$('#question-list .prompt').textContent === {}", json!(INERT)));
    browser.click("#question-list .buttons button:first-child");
    browser.until("$('#questions').hidden");
    site.submit(&["fail", "--input", &json!({"code": HOSTILE, "message": HOSTILE}).to_string()]);
    browser.until("all('#rows .words').some((text) => text.includes('\u{241b}[31m'))");
    assert_eq!(browser.run("return window.harmed ?? null"), serde_json::Value::Null);
    assert_eq!(browser.count("main img, main script, main a"), 0, "no text has become markup");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
