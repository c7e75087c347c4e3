//! Matching and inclusion of patterns against a simple, slow matcher, over all short targets.

use std::cell::OnceCell;

use nuncio_core::lease::{Lease, Operation};

/// The maximum length of the targets, all of which are tried.
const LONGEST: usize = 6;

/// Takes a child pattern and a list of parent patterns. A pattern covers a target if and only if the slow matcher says
/// so, and the child is included if and only if no target is covered by the child and not by the parent.
pub fn lease_inclusion(data: &[u8]) {
    thread_local! {
        static TARGETS: OnceCell<Vec<Operation>> = const { OnceCell::new() };
    }
    let parts: Vec<String> = data.split(|byte| *byte == 0xff).take(4).map(text).filter(|it| !it.is_empty()).collect();
    let [child_text, parent_texts @ ..] = parts.as_slice() else { return };
    let lease = |patterns: &[String]| Lease::parse(&format!("{{\"tool.call\":[\"{}\"]}}", patterns.join("\",\"")));
    let (Ok(parent), Ok(child)) = (lease(parent_texts), lease(std::slice::from_ref(child_text))) else { return };
    let included = parent.includes(&child, &mut 1_000_000).is_ok();
    let slow = |target: &str| {
        let by_parent = parent_texts.iter().any(|pattern| matches(pattern, target));
        (matches(child_text, target), by_parent)
    };
    TARGETS.with(|targets| {
        for operation in targets.get_or_init(short_targets) {
            let target = operation.target();
            let (by_child, by_parent) = slow(target);
            assert_eq!(child.covers(operation), by_child, "{child_text:?} on {target:?}");
            assert_eq!(parent.covers(operation), by_parent, "{parent_texts:?} on {target:?}");
            assert!(
                !included || !by_child || by_parent,
                "{parent_texts:?} should not include {child_text:?}: {target:?}"
            );
        }
    });
    if !included {
        let escape = instances(child_text).into_iter().find(|target| {
            let (by_child, by_parent) = slow(target);
            !target.is_empty() && by_child && !by_parent
        });
        assert!(escape.is_some(), "{parent_texts:?} includes {child_text:?}, and it was refused");
    }
}

/// Maps bytes to `a`, `b`, `/` and `*`: other characters make no difference to the matcher.
fn text(bytes: &[u8]) -> String {
    bytes.iter().take(7).map(|byte| ['a', 'b', '/', '*'][usize::from(byte % 4)]).collect()
}

/// Returns all texts of `a`, `b`, `c` and `/`; no pattern contains a `c`.
fn short_targets() -> Vec<Operation> {
    let mut all = vec![String::new()];
    let mut from = 0;
    for _ in 0..LONGEST {
        let longer: Vec<String> =
            all.iter().skip(from).flat_map(|text| ["a", "b", "c", "/"].map(|next| text.clone() + next)).collect();
        from = all.len();
        all.extend(longer);
    }
    all.iter().filter_map(|target| Operation::new("tool.call", target).ok()).collect()
}

/// Returns whether a pattern matches by definition: every way to expand a wildcard is tried.
fn matches(pattern: &str, target: &str) -> bool {
    fn path(pattern: &[&str], target: &[&str]) -> bool {
        match pattern.split_first() {
            None => target.is_empty(),
            Some((&"**", rest)) => (0..=target.len()).any(|taken| path(rest, &target[taken..])),
            Some((glob, rest)) => target
                .split_first()
                .is_some_and(|(first, after)| segment(glob.as_bytes(), first.as_bytes()) && path(rest, after)),
        }
    }
    fn segment(glob: &[u8], text: &[u8]) -> bool {
        match glob.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|taken| segment(rest, &text[taken..])),
            Some((literal, rest)) => {
                text.split_first().is_some_and(|(first, after)| first == literal && segment(rest, after))
            }
        }
    }
    path(&pattern.split('/').collect::<Vec<_>>(), &target.split('/').collect::<Vec<_>>())
}

/// Returns targets that a pattern matches, with `**` as up to nine segments and `*` as short and longer texts.
fn instances(pattern: &str) -> Vec<String> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    for part in pattern.split('/') {
        let choices: Vec<Vec<String>> = if part == "**" {
            (0..10).flat_map(|count| ["c", "", "ccc"].map(|segment| vec![segment.to_owned(); count])).collect()
        } else {
            ["c", "", "ccc"].map(|filling| vec![part.replace('*', filling)]).to_vec()
        };
        all = all.iter().flat_map(|begun| choices.iter().map(|more| [begun.as_slice(), more].concat())).collect();
    }
    all.into_iter().map(|segments| segments.join("/")).collect()
}
