//! Subjects with wildcards.

use crate::cap::bus::BusError;

/// Checks that a text can be published on: tokens between dots, without wildcards and white space.
pub(super) fn check_subject(subject: &str) -> Result<(), BusError> {
    let is_wild = subject.split('.').any(|token| matches!(token, "*" | ">"));
    if is_wild { Err(refused(subject, "has a wildcard")) } else { check_tokens(subject) }
}

/// Checks that a text can be subscribed to: `>` stands at the end only.
pub(super) fn check_pattern(pattern: &str) -> Result<(), BusError> {
    let mut tokens = pattern.split('.').rev();
    tokens.next();
    if tokens.any(|token| token == ">") {
        return Err(refused(pattern, "has the wildcard `>` before its end"));
    }
    check_tokens(pattern)
}

fn check_tokens(text: &str) -> Result<(), BusError> {
    if text.split('.').any(str::is_empty) {
        return Err(refused(text, "has an empty token"));
    }
    if text.contains(|each: char| each.is_whitespace() || each.is_control()) {
        return Err(refused(text, "has white space"));
    }
    Ok(())
}

fn refused(subject: &str, why: &str) -> BusError {
    BusError::Refused(format!("the subject {subject:?} {why}"))
}

/// Returns whether a pattern matches a subject: `*` stands for one token, `>` for one or more at the end.
pub(in crate::cap) fn matches(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some(own), Some(other)) if own == "*" || own == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_one_token_or_for_the_rest() {
        for (pattern, subject) in
            [("a.b", "a.b"), ("a.*", "a.b"), ("*.b", "a.b"), (">", "a.b.c"), ("a.>", "a.b.c"), ("*.*.c", "a.b.c")]
        {
            assert!(matches(pattern, subject), "{pattern} {subject}");
        }
        for (pattern, subject) in
            [("a.b", "a.c"), ("a.*", "a"), ("a.*", "a.b.c"), ("a.>", "a"), ("*", "a.b"), ("a", "a.b"), ("A", "a")]
        {
            assert!(!matches(pattern, subject), "{pattern} {subject}");
        }
    }

    #[test]
    fn a_subject_has_no_wildcard_and_no_empty_token() {
        for subject in ["", "a..b", ".a", "a.", "a b", "a\n", "a.*", ">"] {
            assert!(check_subject(subject).is_err(), "{subject:?}");
        }
        for pattern in ["", "a..b", "a.>.b", "a b"] {
            assert!(check_pattern(pattern).is_err(), "{pattern:?}");
        }
        assert_eq!(check_subject("job.a*b"), Ok(()), "a token that contains an asterisk is no wildcard");
        assert_eq!((check_pattern("a.*.b"), check_pattern("a.>")), (Ok(()), Ok(())));
    }
}
