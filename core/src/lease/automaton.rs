//! Patterns as automata, for `inclusion.rs`.

use alloc::vec::Vec;

use super::Pattern;
use super::inclusion::{Exhausted, Work};

/// A place in a pattern: what may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// This character.
    Char(char),
    /// Any run of characters but `/`, then the next token.
    Star,
    /// A `/`.
    Slash,
    /// `**/`, at the beginning of a segment: the `Inside` that follows, or what comes after it.
    Deep,
    /// Within a segment that a `**/` takes up: any character; after a `/`, its `Deep` again.
    Inside,
    /// `/**` at the end of a pattern: the end, or a `/` and then the `Any` that follows.
    Tail,
    /// Any text.
    Any,
    /// The end of a pattern.
    End,
}

/// A character, or what stands for all that no position names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    Char(char),
    Other,
    Slash,
}

/// Patterns, one after the other. A position is an index into `tokens`.
pub(super) struct Automaton {
    pub(super) tokens: Vec<Token>,
    /// By position: the lowest position it dominates; all between are dominated too. Itself if there is none.
    dominates_from: Vec<u32>,
    pub(super) starts: Vec<u32>,
}

impl Automaton {
    pub(super) fn compile<'a>(
        patterns: impl IntoIterator<Item = &'a Pattern>,
        work: &mut Work<'_>,
    ) -> Result<Automaton, Exhausted> {
        let mut automaton = Automaton {
            tokens: Vec::new(),
            dominates_from: Vec::new(),
            starts: Vec::new(),
        };
        for pattern in patterns {
            work.spend(pattern.as_str().len().saturating_add(2))?;
            automaton.add(pattern.as_str());
        }
        Ok(automaton)
    }

    fn add(&mut self, pattern: &str) {
        let start = self.next_position();
        self.starts.push(start);
        let mut segments = pattern.split('/').peekable();
        let mut first = true;
        while let Some(segment) = segments.next() {
            if segment == "**" {
                // A run of them means the same as one.
                while segments.next_if_eq(&"**").is_some() {}
                match (first, segments.peek().is_some()) {
                    (_, true) => {
                        self.push(Token::Deep, None);
                        self.push(Token::Inside, Some(start));
                    }
                    (true, false) => self.push(Token::Any, Some(start)),
                    (false, false) => {
                        self.push(Token::Tail, None);
                        self.push(Token::Any, Some(start));
                    }
                }
            } else {
                self.add_segment(segment);
                // The `/` before a last `**` is part of its `Tail`.
                let mut following = segments.clone().skip_while(|segment| *segment == "**");
                match segments.peek() {
                    None => {}
                    Some(&"**") if following.next().is_none() => {}
                    Some(_) => self.push(Token::Slash, None),
                }
            }
            first = false;
        }
        self.push(Token::End, None);
    }

    fn add_segment(&mut self, segment: &str) {
        let start = self.next_position();
        let mut after_star = false;
        for char in segment.chars() {
            match char {
                '*' if after_star => {}
                '*' => self.push(Token::Star, Some(start)),
                literal => self.push(Token::Char(literal), None),
            }
            after_star = char == '*';
        }
    }

    fn push(&mut self, token: Token, dominates_from: Option<u32>) {
        let position = self.next_position();
        self.tokens.push(token);
        self.dominates_from.push(dominates_from.unwrap_or(position));
    }

    fn next_position(&self) -> u32 {
        u32::try_from(self.tokens.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn token(&self, position: u32) -> Token {
        self.tokens
            .get(position as usize)
            .copied()
            .unwrap_or(Token::End)
    }

    fn dominates_from(&self, position: u32) -> u32 {
        self.dominates_from
            .get(position as usize)
            .copied()
            .unwrap_or(position)
    }

    /// Adds the positions that are reached without a character.
    pub(super) fn enter(&self, mut position: u32, set: &mut Vec<u32>) {
        loop {
            match self.token(position) {
                Token::Star => {
                    set.push(position);
                    position = position.saturating_add(1);
                }
                Token::Deep => {
                    set.push(position.saturating_add(1));
                    position = position.saturating_add(2);
                }
                Token::Char(_)
                | Token::Slash
                | Token::Inside
                | Token::Tail
                | Token::Any
                | Token::End => {
                    set.push(position);
                    return;
                }
            }
        }
    }

    /// Adds the positions that are reached with one character.
    pub(super) fn step(&self, position: u32, symbol: Symbol, set: &mut Vec<u32>) {
        match (self.token(position), symbol) {
            (Token::Char(literal), Symbol::Char(char)) if literal == char => {
                self.enter(position.saturating_add(1), set)
            }
            (Token::Slash | Token::Tail, Symbol::Slash) => {
                self.enter(position.saturating_add(1), set)
            }
            (Token::Star, Symbol::Char(_) | Symbol::Other) => self.enter(position, set),
            (Token::Inside, Symbol::Slash) => self.enter(position.saturating_sub(1), set),
            (Token::Inside, Symbol::Char(_) | Symbol::Other) | (Token::Any, _) => {
                set.push(position)
            }
            (
                Token::Char(_)
                | Token::Star
                | Token::Slash
                | Token::Deep
                | Token::Tail
                | Token::End,
                _,
            ) => {}
        }
    }

    /// Sorts a set and takes out what another of its positions dominates.
    pub(super) fn prune(&self, set: &mut Vec<u32>) {
        set.sort_unstable_by(|left, right| right.cmp(left));
        set.dedup();
        let mut dominated_from = u32::MAX;
        set.retain(|position| {
            let kept = *position < dominated_from;
            if kept {
                dominated_from = dominated_from.min(self.dominates_from(*position));
            }
            kept
        });
        set.reverse();
    }

    /// Whether each position of `smaller` is in `larger` or dominated by one there. Both are pruned.
    pub(super) fn is_dominated(&self, smaller: &[u32], larger: &[u32]) -> bool {
        let mut larger = larger.iter().copied().peekable();
        smaller.iter().all(|position| {
            while larger.next_if(|other| other < position).is_some() {}
            // Whatever lies between the position and what dominates it is dominated too, and was pruned.
            larger.peek().is_some_and(|other| {
                *other == *position || self.dominates_from(*other) <= *position
            })
        })
    }

    pub(super) fn accepts(&self, position: u32) -> bool {
        matches!(self.token(position), Token::End | Token::Tail | Token::Any)
    }
}
