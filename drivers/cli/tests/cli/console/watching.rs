//! Jobs and their events, as they happen.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Browser, Site, row};

/// Keys as `WebDriver` names them.
const DOWN: char = '\u{e015}';
const ENTER: char = '\u{e007}';
const HOME: char = '\u{e011}';

#[test]
fn a_job_is_followed_while_it_runs() {
    let site = Site::start(&[]);
    let (job, mut puppet) = site.puppet(&["--budget", "USD:5", "--lease", r#"{"tool.call":["search.*"]}"#]);
    let browser = site.browse("tok-me");
    let row = row(&job);
    browser.until(&format!("$('{row}').textContent.includes('running')"));
    puppet.say(&json!({"kind": "progress", "body": {"current": 3, "total": 12, "units": "pages"}}));
    browser.until(&format!("$('{row} .words').textContent === '3 of 12 pages'"));
    browser.until(&format!("$('{row} .fill').style.width === '25%'"));
    browser.click(&row);
    browser.until("$('#detail-title').textContent === 'research@2.1.0'");
    browser.until("$('#facts').textContent.includes('tool.call: search.*')");
    puppet.say(
        &json!({"kind": "tool_call", "body": {"tool": "search.web", "args": {"query": "nuncio"}, "call_id": "c1"}}),
    );
    puppet.say(&json!({"kind": "tool_result", "body": {"call_id": "c1", "result": {"hits": 7}}}));
    puppet.say(&json!({"kind": "metric", "body": {"name": "cost.search", "value": 1.25, "unit": "USD"}}));
    puppet.say(&json!({"kind": "log", "body": {"level": "warn", "message": "slow today"}}));
    browser.until("all('#events .kind').includes('log')");
    let kinds =
        browser.run("return [...document.querySelectorAll('#events .kind')].map((kind) => kind.textContent).join(' ')");
    assert_eq!(kinds, "status progress tool_call tool_result metric metric log", "from the first event on, each once");
    browser.until("all('#events .title').some((title) => title.startsWith('search.web after'))");
    browser.until(&format!(
        "$('{row} .cost').textContent === '1.25 / 5 USD' && $('#meters').textContent.includes('1.25 / 5')"
    ));
    for chunk in ["The answer ", "is 42."] {
        puppet.say(&json!({"chunk": chunk}));
    }
    browser.until("$('#result').textContent === 'The answer is 42.'");
    // The button that shows the rest keeps the focus while the text grows.
    puppet.say(&json!({"chunk": "long ".repeat(200)}));
    browser.until("$('#result .more')");
    browser.run("document.querySelector('#result .more').focus()");
    puppet.say(&json!({"chunk": "end"}));
    browser.until("$('#result .more').textContent === 'Show all (1,020 characters)'");
    browser.until("document.activeElement === $('#result .more')");
    puppet.say(&json!({"kind": "progress", "body": {"current": 12, "total": 12, "units": "pages"}}));
    drop(puppet);
    browser.until(&format!(
        "$('#detail-state').textContent === 'succeeded' && $('{row} .state').textContent === 'succeeded'"
    ));
    browser.until("$('#cancel').hidden && $('#n-success').textContent === '1' && $('#n-running').textContent === '0'");
    browser.until("all('#events .kind').at(-1) === 'result'");
    browser.until("$('#chart-jobs path[data-tone=success]')");
    // Some kinds alone.
    browser.run("kinds.value = 'tools'; kinds.dispatchEvent(new Event('change'))");
    browser.until("all('#events .kind').join(' ') === 'tool_call tool_result'");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// A page that is opened later shows what has happened in the hour.
#[test]
fn a_page_that_is_opened_later_shows_the_last_hour() {
    let site = Site::start(&[]);
    let (job, mut puppet) = site.puppet(&[]);
    let ended = site.submit(&["fail", "--input", r#"{"message":"the printer is out of paper"}"#]);
    puppet.say(&json!({"kind": "thought", "body": {"text": "first"}}));
    let browser = site.browse("tok-me");
    browser.until(&format!("$('{} .state').textContent === 'failed' && $('{}')", row(&ended), row(&job)));
    // The end comes with the list, so the row says how long it took, without a subscription to it.
    browser.until(&format!("/it took/.test($('{} .age').title)", row(&ended)));
    browser.until("/^Live jobs: 1 now, at most [12] at one time in the last hour$/.test($('#chart-live').getAttribute('aria-label'))");
    browser.until("/^Jobs by their start: .* 2 in the last hour: 1 live, 1 failed$/.test($('#chart-jobs').getAttribute('aria-label'))");
    assert_eq!(browser.text("#live-note"), "most at one time, per minute");
    drop(puppet);
}

#[test]
fn jobs_are_chosen_with_the_keyboard_and_keep_the_focus() {
    let site = Site::start(&[]);
    let jobs: Vec<String> = (0..3).map(|_| site.submit(&["slow", "--input", r#"{"ticks":100000}"#])).collect();
    let browser = site.browse("tok-me");
    browser.until("$$('#rows .row').length === 3");
    browser.run("grid.focus()");
    // The newest job comes first.
    browser.press(&[HOME, DOWN]);
    browser.until(&format!("$('#grid').getAttribute('aria-activedescendant') === 'row-{}'", jobs[1]));
    let progress = format!("$('{} .words').textContent", row(&jobs[1]));
    browser.until(&format!("{progress}.includes('ticks') && (window.before = {progress})"));
    // The focus stays over updates and new rows.
    let late = site.submit(&["echo"]);
    browser.until(&format!("{progress} !== window.before && $('{}')", row(&late)));
    browser.until(&format!(
        "document.activeElement === $('#grid') && $('#grid').getAttribute('aria-activedescendant') === 'row-{}'",
        jobs[1]
    ));
    browser.press(&[ENTER]);
    browser.until(&format!(
        "document.activeElement === $('#detail-title') && $('#facts').textContent.includes('{}')",
        jobs[1]
    ));
    browser.until(&format!("$('{}').getAttribute('aria-selected') === 'true'", row(&jobs[1])));
}

#[test]
fn delegated_jobs_are_below_their_parents() {
    let site = Site::start(&[]);
    let (job, mut puppet) = site.puppet(&["--lease", r#"{"agent.delegate":["slow"]}"#]);
    let browser = site.browse("tok-me");
    browser.until(&format!("$('{}')", row(&job)));
    puppet.say(&json!({"delegate": {"agent": "slow", "input": {"ticks": 100_000}}, "id": 1}));
    browser.until("$$('#rows .row').length === 2 && $('#rows .row[aria-level=\"2\"]').textContent.includes('slow')");
    browser.until(&format!("$('{}').getAttribute('aria-expanded') === 'true'", row(&job)));
    browser.click(&format!("{} .twist", row(&job)));
    browser.until("$$('#rows .row').length === 1");
    browser.click(&format!("{} .twist", row(&job)));
    browser.until("$$('#rows .row').length === 2");
}

/// The session, the job and its events survive a server that is killed: what came before and what comes after it is shown
/// once, without a gap.
#[test]
fn the_page_goes_on_after_the_server_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal").display().to_string();
    let arguments = ["--journal", journal.as_str()];
    let site = Site::at("127.0.0.1:0", "127.0.0.1:0", folder, &arguments);
    let job = site.submit(&["rerun"]);
    let browser = site.browse("tok-me");
    browser.until(&format!("$('{}')", row(&job)));
    browser.click(&row(&job));
    browser.until("all('#events .body').includes('run 0')");
    let session = "$('#session-facts').textContent.match(/sess_\\w+/)[0]";
    browser.until(&format!("window.session = {session}"));
    let Site { serving, console, folder } = site;
    let address = |url: &str| url.split('/').nth(2).unwrap().to_owned();
    let (listen, page) = (address(&serving.url), address(&console));
    serving.stop("KILL");
    browser.until("$('#link-text').textContent === 'Reconnecting'");
    let site = Site::at(&listen, &page, folder, &arguments);
    browser.until("$('#link-text').textContent === 'Live'");
    browser.until(&format!(
        "$('#detail-state').textContent === 'succeeded' && $('{} .state').textContent === 'succeeded'",
        row(&job)
    ));
    let thoughts = browser.run(
        "return [...document.querySelectorAll('#events li')].map((event) => event.querySelector('.kind').textContent + ' ' + \
         event.querySelector('.body').textContent).join('; ')",
    );
    assert_eq!(
        thoughts,
        "status running; thought run 0; status restarted; thought run 1; result The job has succeeded."
    );
    browser
        .until(&format!("{session} === window.session && $('#session-facts').textContent.includes('Resumed1 times')"));
    // What happens from now on is seen, too.
    let next = site.submit(&["echo"]);
    browser.until(&format!("$('{} .state').textContent === 'succeeded'", row(&next)));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Without a journal the runtime knows nothing of before: the page opens another session and shows what there is.
#[test]
fn the_page_starts_anew_with_a_server_that_has_forgotten_it() {
    let site = Site::start(&[]);
    let job = site.submit(&["slow", "--input", r#"{"ticks":100000}"#]);
    let browser = site.browse("tok-me");
    browser.until(&format!("$('{}')", row(&job)));
    let Site { serving, console, folder } = site;
    let address = |url: &str| url.split('/').nth(2).unwrap().to_owned();
    let (listen, page) = (address(&serving.url), address(&console));
    serving.stop("KILL");
    let site = Site::at(&listen, &page, folder, &[]);
    let next = site.submit(&["slow", "--input", r#"{"ticks":100000}"#]);
    browser.until(&format!("$('{}') && !$('{}')", row(&next), row(&job)));
    browser.until(&format!("$('{} .words').textContent.includes('ticks')", row(&next)));
}

/// With `NUNCIO_SCREENSHOTS`, the pictures of the page are made anew: that of the README, and others in the folder that the
/// variable names.
#[test]
fn the_page_fits_wide_and_narrow_screens_in_light_and_dark() {
    let site = Site::start(&[]);
    let (job, mut puppet) =
        site.puppet(&["--budget", "USD:5", "--lease", r#"{"tool.call":["search.*"],"agent.delegate":["slow"]}"#]);
    for _ in 0..3 {
        site.submit(&["echo"]);
    }
    site.submit(&["fail", "--input", r#"{"message":"the printer is out of paper"}"#]);
    site.submit(&["slow", "--input", r#"{"ticks":1000,"tick_ms":1000}"#]);
    site.submit(&[
        "mailer",
        "--input",
        r#"{"prompt":"Send the mail to 312 customers?","choices":["Send it","Hold it back"]}"#,
    ]);
    puppet.say(&json!({"delegate": {"agent": "slow", "input": {"ticks": 400, "tick_ms": 1000}}, "id": 1}));
    for page in 1..=7 {
        let call = format!("c{page}");
        puppet.say(&json!({"kind": "progress", "body": {"current": page, "total": 12, "units": "pages", "message": "reading"}}));
        puppet.say(&json!({"kind": "tool_call", "body": {"tool": "search.web", "args": {"query": "quarterly figures", "page": page}, "call_id": call}}));
        puppet.say(&json!({"kind": "metric", "body": {"name": "cost.search", "value": 0.23, "unit": "USD"}}));
        puppet.say(&json!({"kind": "tool_result", "body": {"call_id": call, "result": {"hits": 7 * page}}}));
    }
    puppet.say(&json!({"kind": "thought", "body": {"text": "The figures of May differ from those of the report; both are quoted."}}));
    puppet.say(&json!({"chunk": "Revenue rose by 4 % in the second quarter, mostly in May. "}));
    let folder = std::env::var_os("NUNCIO_SCREENSHOTS").map(PathBuf::from);
    for (width, height, dark) in [(1280, 1180, false), (1280, 1180, true), (400, 900, false), (400, 900, true)] {
        // A window is at least 500 pixels wide, a device is not.
        let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
        let browser = Browser::with(width, height, &[&scheme]);
        browser.resize(width, height);
        site.log_in(&browser, "tok-me");
        assert_eq!(browser.run("return matchMedia('(prefers-color-scheme: dark)').matches"), dark);
        browser.until(&format!("$('{}') && $('#question-list li')", row(&job)));
        browser.run(&format!("document.querySelector('{}').click()", row(&job)));
        browser.until("all('#events .kind').includes('thought') && $('#result').textContent.includes('Revenue')");
        browser.until("$$('#rows .row').length === 8 && $('#rows .row[aria-level=\"2\"] .words').textContent && $('#chart-live path')");
        let overflow =
            browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(overflow, 0, "nothing is wider than a screen of {width}");
        browser.run("scrollTo(0, 0)");
        if let Some(folder) = &folder {
            let name = format!("console-{width}-{}", if dark { "dark" } else { "light" });
            browser.screenshot(&folder.join(format!("{name}.png")));
            if width == 1280 && !dark {
                let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.github/console.png");
                browser.screenshot(&readme);
            }
            browser.run("scrollTo(0, document.body.scrollHeight)");
            browser.screenshot(&folder.join(format!("{name}-end.png")));
        }
        assert_eq!(browser.complaints(), Vec::<String>::new());
    }
}
