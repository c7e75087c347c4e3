//! 1 000 live jobs.

use nuncio_tests::raw::Wire;
use serde_json::json;

use super::Site;

#[test]
fn a_thousand_live_jobs_are_listed_and_few_of_them_are_rows() {
    let site = Site::start(&["--jobs-per-session", "2000"]);
    let mut wire = Wire::connect(&site.serving.url, "tok-me");
    for at in 0..1_000 {
        // The last of them are busy.
        let tick_ms = if at < 950 { 3_600_000 } else { 100 };
        wire.submit(&json!({"agent": "slow", "input": {"ticks": 1_000_000, "tick_ms": tick_ms}}));
    }
    drop(wire);
    let browser = site.browse("tok-me");
    browser.until("$('#jobs-count').textContent === '1,000' && $('#n-running').textContent === '1,000'");
    assert_eq!(browser.run("return grid.getAttribute('aria-rowcount')"), "1001");
    let few = |when: &str| {
        let rows = browser.count("#rows .row");
        assert!((5..60).contains(&rows), "{rows} rows {when}");
    };
    few("at the top");
    browser.until("all('#rows .words').some((text) => text.includes('ticks'))");
    browser.run("grid.scrollTop = grid.scrollHeight");
    browser.until("$('#rows .row[aria-rowindex=\"1001\"]')");
    few("at the end");
    // The rows that are on the screen now are followed, too.
    browser.until("all('#rows .words').some((text) => text.includes('ticks'))");
    browser.run("const find = document.getElementById('find'); find.value = 'no such agent'; find.dispatchEvent(new Event('input'))");
    browser.until("$$('#rows .row').length === 0 && !$('#jobs-empty').hidden");
    browser.run(
        "const find = document.getElementById('find'); find.value = 'slow'; find.dispatchEvent(new Event('input'))",
    );
    browser.until("$('#rows .row')");
    few("after a search");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn of_a_flood_of_events_the_last_are_rows() {
    let site = Site::start(&[]);
    let (job, mut puppet) = site.puppet(&[]);
    let browser = site.browse("tok-me");
    browser.until(&format!("$('{}')", super::row(&job)));
    browser.click(&super::row(&job));
    // The runtime adds events of its own where the page is behind.
    browser.run("kinds.value = 'logs'; kinds.dispatchEvent(new Event('change'))");
    for number in 0..5_000 {
        puppet.say(&json!({"kind": "thought", "body": {"text": format!("thought {number}")}}));
    }
    browser
        .until("all('#events .body').at(-1) === 'thought 4999' && $('#events-earlier').textContent.startsWith('4,6')");
    let texts = browser.run("return [...document.querySelectorAll('#events .body')].map((body) => body.textContent)");
    let texts = texts.as_array().unwrap();
    assert!((300..=400).contains(&texts.len()), "{} rows", texts.len());
    let expected: Vec<String> = (5_000 - texts.len()..5_000).map(|number| format!("thought {number}")).collect();
    assert_eq!(*texts, expected, "no gap, and no duplicate");
}
