//! What a user does: answers and cancels.

use serde_json::json;

use super::{Site, row};
use crate::support::{run, stdout};

/// Keys as `WebDriver` names them.
const ENTER: char = '\u{e007}';
const TAB: char = '\u{e004}';

impl Site {
    /// The result of a job that has ended, as text.
    fn result(&self, job: &str) -> String {
        stdout(&run(&["tail", "--url", &self.serving.url, "--token", "tok-me", job])).trim().to_owned()
    }
}

#[test]
fn a_question_is_answered_with_a_button() {
    let site = Site::start(&[]);
    let browser = site.browse("tok-me");
    let question = json!({"prompt": "Send the mail to 312 customers?", "choices": ["send", "hold back"]});
    let job = site.submit(&["mailer", "--input", &question.to_string()]);
    browser.until("$('#question-list .prompt').textContent === 'Send the mail to 312 customers?'");
    browser.until(&format!("$('{} .words').textContent === 'waits for an answer'", row(&job)));
    browser.until("$('#n-questions').textContent === '1'");
    browser.click("#question-list .note summary");
    browser.write("#question-list .note input", "go ahead");
    browser.click("#question-list .buttons button:first-child");
    browser.until(&format!("$('#questions').hidden && $('{} .state').textContent === 'succeeded'", row(&job)));
    browser.until("$('#live').textContent === 'Your answer was sent.'");
    let result = site.result(&job);
    for part in [r#""value":"send""#, r#""by":"me""#, r#""note":"go ahead""#] {
        assert!(result.contains(part), "{result}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_form_is_made_of_a_schema_and_stays_while_others_come() {
    let site = Site::start(&[]);
    let browser = site.browse("tok-me");
    let schema = json!({"type": "object", "required": ["amount", "to"], "properties": {
        "amount": {"type": "number", "minimum": 1}, "urgent": {"type": "boolean"},
        "to": {"type": "string"}, "way": {"enum": ["bank", 7]}, "tags": {"type": "array"}}});
    let job = site.submit(&["mailer", "--input", &json!({"prompt": "Pay?", "schema": schema}).to_string()]);
    browser.until("$$('#question-list .field').length === 5");
    browser.write("#question-list .field:nth-of-type(1) input", "0.5");
    // A second question comes, and the first keeps what was typed and the focus.
    site.submit(&["mailer", "--input", &json!({"prompt": "Another?"}).to_string()]);
    browser.until("$$('#question-list > li').length === 2");
    browser.until("document.activeElement.type === 'number' && document.activeElement.value === '0.5'");
    browser.write("#question-list fieldset.object textarea:not(.code)", "Ada");
    browser.click("#question-list li:first-child button[type=submit]");
    // The browser itself refuses less than the minimum.
    browser.until("document.activeElement.matches(':invalid')");
    browser.run("document.activeElement.value = ''");
    browser.write("#question-list .field:nth-of-type(1) input", "12.5");
    browser.run("const s = document.querySelectorAll('#question-list select'); s[0].value = '0'; s[1].value = '1'");
    browser.write("#question-list textarea.code", "[1");
    browser.click("#question-list li:first-child button[type=submit]");
    browser.until("$('#question-list .error').textContent.includes('is not JSON')");
    browser.write("#question-list textarea.code", ", 2]");
    browser.click("#question-list li:first-child button[type=submit]");
    browser.until("$$('#question-list > li').length === 1");
    let result = site.result(&job);
    let value = r#""value":{"amount":12.5,"tags":[1,2],"to":"Ada","urgent":true,"way":7}"#;
    assert!(result.contains(value), "{result}");
}

#[test]
fn an_answer_that_the_runtime_refuses_is_explained() {
    let site = Site::start(&[]);
    let browser = site.browse("tok-me");
    let question = json!({"prompt": "Name?", "schema": {"type": "string", "maxLength": 3}});
    site.submit(&["mailer", "--input", &question.to_string()]);
    browser.until("$('#question-list textarea')");
    browser.write("#question-list textarea", "four");
    browser.click("#question-list button[type=submit]");
    browser.until("$('#question-list .error').textContent.includes('INVALID_REQUEST')");
    browser.until("!$('#question-list [aria-busy=true]') && $('#question-list textarea').value === 'four'");
}

#[test]
fn the_focus_goes_to_the_next_question_and_after_the_last_to_the_jobs() {
    let site = Site::start(&[]);
    let browser = site.browse("tok-me");
    for prompt in ["First?", "Second?"] {
        site.submit(&["mailer", "--input", &json!({"prompt": prompt, "choices": ["yes", "no"]}).to_string()]);
        browser.until(&format!("all('#question-list .prompt').at(-1) === '{prompt}'"));
    }
    browser.run("document.querySelector('#question-list .buttons button').focus()");
    // The second Enter answers nothing: the prompt has the focus, and not a button.
    browser.press(&[ENTER]);
    browser.until(
        "all('#question-list .prompt').join() === 'Second?' && document.activeElement.textContent === 'Second?'",
    );
    browser.press(&[ENTER, TAB]);
    browser.until("document.activeElement === $('#question-list .buttons button')");
    browser.press(&[ENTER]);
    browser.until("$('#questions').hidden && document.activeElement === $('#jobs-title')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// The button for a cancel goes once the job is being cancelled, and so does the question whether to.
#[test]
fn the_focus_goes_to_the_title_once_a_job_is_being_cancelled() {
    let site = Site::start(&[]);
    let (job, puppet) = site.puppet(&[]);
    let (wide, other) = (site.browse("tok-ops"), site.browse("tok-ops"));
    for browser in [&wide, &other] {
        browser.until(&format!("$('{}')", row(&job)));
        browser.click(&row(&job));
        browser.until("!$('#cancel').hidden");
        browser.click("#cancel");
        browser.until("document.activeElement === $('#confirm-no')");
    }
    wide.click("#confirm-yes");
    for browser in [&wide, &other] {
        browser.until("/^cancell/.test($('#detail-state').textContent) && $('#confirm').hidden && $('#cancel').hidden");
        browser.until("document.activeElement === $('#detail-title')");
    }
    drop(puppet);
}

#[test]
fn a_job_is_cancelled_by_who_may_and_not_by_others() {
    let site = Site::start(&[]);
    let job = site.submit(&["slow", "--input", r#"{"ticks":1000000}"#]);
    // The session that has submitted it can still be resumed, so it belongs to that session.
    let browser = site.browse("tok-me");
    browser.until(&format!("$('{}')", row(&job)));
    browser.click(&row(&job));
    browser.until("!$('#cancel').hidden");
    browser.click("#cancel");
    browser.until("document.activeElement === $('#confirm-no')");
    browser.click("#confirm-yes");
    browser.until("$('#detail-error').textContent.includes('PERMISSION_DENIED')");
    let said = browser.text("#detail-error");
    for part in
        ["Another session has submitted it.", "Cancel it there", "operator", "for 10 min 00 s, every session of yours"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The session that may cancel it has a name.
    browser.until("/Sessionsess_\\w{26} \\(may cancel it\\)/.test($('#facts').textContent)");
    browser.until("$('#detail-state').textContent === 'running'");
    let browser = site.browse("tok-ops");
    browser.until(&format!("$('{}')", row(&job)));
    browser.click(&row(&job));
    browser.until("!$('#cancel').hidden");
    browser.click("#cancel");
    browser.click("#confirm-no");
    browser.until("$('#confirm').hidden && document.activeElement === $('#cancel')");
    browser.click("#cancel");
    browser.click("#confirm-yes");
    browser.until(&format!(
        "$('#detail-state').textContent === 'cancelled' && $('{} .state').textContent === 'cancelled'",
        row(&job)
    ));
    browser.until("$('#cancel').hidden && $('#facts').textContent.includes('CANCELLED')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_job_whose_session_is_over_is_cancelled_by_any_session_of_its_principal() {
    let site = Site::start(&["--resume-window", "1s"]);
    let job = site.submit(&["slow", "--input", r#"{"ticks":1000000}"#]);
    let browser = site.browse("tok-me");
    browser.until(&format!("$('{}')", row(&job)));
    browser.click(&row(&job));
    browser.until("!$('#cancel').hidden && !$('#facts').textContent.includes('may cancel it')");
    browser.click("#cancel");
    browser.click("#confirm-yes");
    browser.until("$('#detail-state').textContent === 'cancelled'");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
