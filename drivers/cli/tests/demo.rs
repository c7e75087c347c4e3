//! `nuncio demo` as a user runs it.

mod support;

use support::{run, stderr, stdout};

#[test]
fn the_demonstration_loses_nothing_and_says_so() {
    let output = run(&["demo"]);
    let said = stdout(&output);
    assert!(output.status.success(), "{said}\n{}", stderr(&output));
    assert!(said.contains("CUTS the connection"), "{said}");
    assert!(said.contains("RESUMED"), "{said}");
    assert!(said.contains("PERMISSION_DENIED"), "{said}");
    assert!(said.contains("spent USD 0.6"), "{said}");
    assert_eq!(said.lines().last(), Some("OK: cut 1, resumed 1, lost 0."));
}

#[test]
fn the_demonstration_is_short_and_has_no_colours_in_a_file() {
    let output = run(&["demo"]);
    let said = stdout(&output);
    assert!(said.lines().count() <= 40, "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 120), "{said}");
    assert!(!said.contains("demo-token"), "a token is shown");
}
