//! The panel with the state of the runtime, for its operators.

use super::{Browser, Site};

const ROW: &str = "const row = (name) => [...document.querySelectorAll('#runtime-facts div')]
    .find((row) => row.firstChild.textContent === name)?.lastChild.textContent ?? null;";

/// Waits until the row of this name matches a regular expression.
fn until_row(browser: &Browser, name: &str, pattern: &str) {
    browser.until(&format!("(() => {{ {ROW} return /{pattern}/.test(row('{name}') ?? ''); }})()"));
}

fn row(browser: &Browser, name: &str) -> Option<String> {
    browser.run(&format!("{ROW} return row('{name}')")).as_str().map(str::to_owned)
}

#[test]
fn an_operator_sees_the_size_of_the_journal_and_it_is_kept_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j.db");
    let site = Site::start(&["--journal", journal.to_str().unwrap(), "--journal-max", "64 MiB"]);
    let browser = site.browse("tok-ops");
    browser.until("!$('#runtime').hidden");
    until_row(&browser, "Journal", r"^[\d.]+ KiB, at most 64 MiB, [\d.]+ [GT]iB free on its disk$");
    until_row(&browser, "Memory", r"^[\d.]+ K?i?B, at most 1 GiB$");
    until_row(&browser, "Sessions", r"^1 open, \d+ disconnected or closed$");
    assert_eq!(row(&browser, "Writes fail"), None);
    assert_eq!(row(&browser, "Pool"), None);
    // What happens is seen without a reload.
    site.submit(&["echo"]);
    until_row(&browser, "Jobs", "^0 running, 0 waiting, 1 ended$");
    until_row(&browser, "Commits", r"^\d+, the last .* ago, in ");
    let heading = browser
        .run("return [runtime.getAttribute('aria-labelledby'), document.getElementById('runtime-title').textContent]");
    assert_eq!(heading, serde_json::json!(["runtime-title", "Runtime"]));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Operators see all sessions, and others their own.
#[test]
fn the_sessions_are_listed_with_their_jobs() {
    let site = Site::start(&[]);
    let job = site.submit(&["slow", "--input", r#"{"ticks":100000}"#]);
    let (own, ops) = (site.browse("tok-me"), site.browse("tok-ops"));
    for (browser, principals) in [(&own, "me,me"), (&ops, "me,me,ops")] {
        browser.until("!$('#sessions').hidden");
        browser.until(&format!("all('#session-rows td:nth-child(2)').sort().join() === '{principals}'"));
        browser
            .until("all('#session-rows td:nth-child(3)').filter((state) => state === 'open (this page)').length === 1");
    }
    assert_eq!(ops.text("#sessions-count"), "3");
    // The session that has submitted the job is closed, and can be resumed; the job names it.
    let closed = "$$('#session-rows tr').map((row) => [...row.children].map((cell) => cell.textContent)).find((row) => row[2] === 'closed')";
    ops.until(&format!(
        "(([id, principal, , jobs, , until]) => principal === 'me' && jobs === '1' && /^\\d\\d:/.test(until))({closed})"
    ));
    ops.click(&super::row(&job));
    ops.until(&format!("$('#facts').textContent.includes({closed}[0])"));
    // A session that is lost is shown as such.
    drop(own);
    ops.until("all('#session-rows td:nth-child(3)').includes('disconnected')");
    ops.resize(400, 900);
    let wider = ops.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wider, 0, "nothing is wider than the screen");
    assert_eq!(ops.complaints(), Vec::<String>::new());
}

#[test]
fn others_see_nothing_of_it_and_no_error() {
    let mut site = Site::start(&[]);
    let job = site.submit(&["echo"]);
    let browser = site.browse("tok-me");
    site.serving.until("PERMISSION_DENIED");
    browser.until(&format!("$('{}').textContent.includes('succeeded')", super::row(&job)));
    let shown =
        browser.run("return [runtime.hidden, notice.hidden, document.getElementById('login-error').textContent]");
    assert_eq!(shown, serde_json::json!([true, true, ""]));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_pool_is_shown() {
    use crate::cap::site::Site as Pool;

    let pool = Pool::on_own_bus();
    let arguments = ["--cap-agent", "pooled=job.pooled", "--cap", &pool.nats, "--cap-redis", &pool.redis];
    let site = Site::start(&[&arguments[..], &["--cap-id", "front-1", "--cap-unsigned"]].concat());
    let browser = site.browse("tok-ops");
    until_row(&browser, "Pool", r"^connected for .*\npooled \(job.pooled\): 0 dispatched, 0 outstanding$");
    assert_eq!(row(&browser, "Journal"), None);
    for width in [1280, 400] {
        browser.resize(width, 900);
        let wider = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(wider, 0, "nothing is wider than a screen of {width}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
