//! What may be written where a subject or a queue group stands.

/// Why a text is not a subject or a queue group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSubject {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It is longer than a command of the protocol can be.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It begins or ends with a dot, or has two in a row.
    #[error("it begins or ends with a dot, or has two dots in a row")]
    EmptyToken,
    /// It has a space or a control character.
    #[error("it has a space or a control character")]
    Character,
    /// It has a wildcard, and a message is published on one subject.
    #[error("it has a wildcard, `*` or `>`, on which nothing can be published")]
    Wildcard,
    /// The wildcard `>` is not the last token.
    #[error("the wildcard `>` is not at its end")]
    Position,
}

/// The longest subject, in bytes. A command holds up to two of them and a few numbers, and servers accept commands of 4096
/// bytes.
const MAX_BYTES: usize = 1900;

/// Checks a subject on which a message is published.
pub fn check_subject(text: &str) -> Result<(), InvalidSubject> {
    check_filter(text)?;
    if text.split('.').any(|token| matches!(token, "*" | ">")) { Err(InvalidSubject::Wildcard) } else { Ok(()) }
}

/// Checks a subject to which a client subscribes: the wildcards `*` for one token, and `>` for all that follow, are
/// allowed.
pub fn check_filter(text: &str) -> Result<(), InvalidSubject> {
    check_group(text)?;
    let mut tokens = text.split('.').peekable();
    while let Some(token) = tokens.next() {
        if token.is_empty() {
            return Err(InvalidSubject::EmptyToken);
        }
        if token == ">" && tokens.peek().is_some() {
            return Err(InvalidSubject::Position);
        }
    }
    Ok(())
}

/// Checks the name of a queue group.
pub fn check_group(text: &str) -> Result<(), InvalidSubject> {
    if text.is_empty() {
        return Err(InvalidSubject::Empty);
    }
    if text.len() > MAX_BYTES {
        return Err(InvalidSubject::TooLong);
    }
    if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(InvalidSubject::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_words_between_dots() {
        for good in ["a", "job.echo", "_INBOX.x.1", "$SYS.a", "a*b.c>", "überall.ö"] {
            assert_eq!(check_subject(good), Ok(()), "{good}");
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for (wrong, error) in [
            ("", InvalidSubject::Empty),
            (".", InvalidSubject::EmptyToken),
            ("a..b", InvalidSubject::EmptyToken),
            (".a", InvalidSubject::EmptyToken),
            ("a.", InvalidSubject::EmptyToken),
            ("a b", InvalidSubject::Character),
            ("a\r\nPUB b 0\r\n", InvalidSubject::Character),
            ("a\tb", InvalidSubject::Character),
            ("a\0", InvalidSubject::Character),
            ("a\u{2028}b", InvalidSubject::Character),
            (&"a".repeat(1901), InvalidSubject::TooLong),
        ] {
            assert_eq!(check_subject(wrong), Err(error), "{wrong:?}");
            assert_eq!(check_filter(wrong), Err(error), "{wrong:?}");
        }
    }

    #[test]
    fn only_filters_have_wildcards() {
        for filter in ["*", ">", "a.*", "a.*.b", "*.>"] {
            assert_eq!(check_filter(filter), Ok(()), "{filter}");
            assert_eq!(check_subject(filter), Err(InvalidSubject::Wildcard), "{filter}");
        }
        assert_eq!(check_filter(">.a"), Err(InvalidSubject::Position));
        assert_eq!(check_subject("a.>.b"), Err(InvalidSubject::Position));
    }

    #[test]
    fn a_group_is_one_word() {
        assert_eq!(check_group("workers..a"), Ok(()));
        assert_eq!(check_group("two words"), Err(InvalidSubject::Character));
        assert_eq!(check_group(""), Err(InvalidSubject::Empty));
    }
}
