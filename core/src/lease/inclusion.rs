//! Whether everything one pattern matches is matched by one of many (§9.4), decided exactly.
//!
//! Patterns are compiled to automata. We walk the child's automaton and, beside it, the set of all positions the
//! parents' automata can be in after the same text; a text after which the child accepts and no parent does refutes
//! inclusion. Three observations keep the sets few:
//!
//! - Of the characters, only those matter that are the next literal of some position; all others behave alike.
//! - A position dominates another of the same pattern if it accepts whatever that one accepts. A `*` dominates what lies
//!   before it in its segment, the inside of a `**` whatever lies before it at all.
//! - A set need not be explored if one that it dominates was explored with the child in the same position.
//!
//! The problem is PSPACE-hard in general, hence the bound on the work.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::automaton::{Automaton, Symbol, Token};
use super::{Namespace, Pattern};

/// Why a lease is not within another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubsetError {
    /// The child's pattern matches something that no pattern of the parent does.
    #[error("the parent's lease does not cover the pattern {pattern:?} of {namespace}", pattern = .pattern.as_str())]
    Violation {
        /// The namespace.
        namespace: Namespace,
        /// The child's pattern.
        pattern: Pattern,
    },
    /// The work that was allowed is used up and the answer is not found, so it is no.
    #[error("whether the parent's lease covers the pattern {pattern:?} of {namespace} takes too long to find out",
        pattern = .pattern.as_str())]
    TooComplex {
        /// The namespace.
        namespace: Namespace,
        /// The child's pattern.
        pattern: Pattern,
    },
}

/// Whether each of `children` is within the union of `parents`.
pub(super) fn check(
    namespace: &Namespace,
    parents: &[Pattern],
    children: &[Pattern],
    work: &mut u64,
) -> Result<(), SubsetError> {
    let mut work = Work(work);
    let mut union = None;
    for child in children {
        let too_complex = |Exhausted| SubsetError::TooComplex {
            namespace: namespace.clone(),
            pattern: child.clone(),
        };
        work.spend(parents.len()).map_err(too_complex)?;
        if parents.contains(child) {
            continue;
        }
        let union = match &mut union {
            Some(union) => union,
            none => none.insert(Automaton::compile(parents, &mut work).map_err(too_complex)?),
        };
        let starts = possible_starts(union, parents, child);
        if !includes(union, &starts, child, &mut work).map_err(too_complex)? {
            return Err(SubsetError::Violation {
                namespace: namespace.clone(),
                pattern: child.clone(),
            });
        }
    }
    Ok(())
}

/// The starts of those parents that can match anything the child matches, by what each demands before its first `*`.
fn possible_starts(union: &Automaton, parents: &[Pattern], child: &Pattern) -> Vec<u32> {
    let child = literal_prefix(child);
    let possible = |parent| {
        let parent = literal_prefix(parent);
        parent.starts_with(child) || child.starts_with(parent)
    };
    union
        .starts
        .iter()
        .zip(parents)
        .filter(|(_, parent)| possible(parent))
        .map(|(start, _)| *start)
        .collect()
}

/// What every match begins with. The `/` before a `**` is not among it: `/ws/**` matches `/ws`.
fn literal_prefix(pattern: &Pattern) -> &str {
    let prefix = pattern.as_str().split('*').next().unwrap_or_default();
    prefix.strip_suffix('/').unwrap_or(prefix)
}

pub(super) struct Work<'a>(&'a mut u64);

pub(super) struct Exhausted;

impl Work<'_> {
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        let left = self.0.checked_sub(steps as u64);
        *self.0 = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Exhausted)
    }
}

/// Whether every non-empty text the child matches is matched from one of the `starts`.
fn includes(
    union: &Automaton,
    starts: &[u32],
    child: &Pattern,
    work: &mut Work<'_>,
) -> Result<bool, Exhausted> {
    let child = Automaton::compile([child], work)?;
    let mut search = Search {
        union,
        seen: vec![Vec::new(); child.tokens.len()],
        child,
        open: Vec::new(),
    };
    let mut beside = Vec::new();
    for start in starts {
        union.enter(*start, &mut beside);
    }
    let mut entered = Vec::new();
    search.child.enter(0, &mut entered);
    // The empty text is no target, so nothing is asked of it.
    search.add(entered, beside, work)?;
    while let Some((position, set)) = search.open.pop() {
        for symbol in search.symbols(position, &set, work)? {
            let (mut entered, mut beside) = (Vec::new(), Vec::new());
            search.child.step(position, symbol, &mut entered);
            for other in &set {
                union.step(*other, symbol, &mut beside);
            }
            work.spend(set.len().saturating_add(beside.len()).saturating_add(1))?;
            let accepted = entered
                .iter()
                .any(|position| search.child.accepts(*position));
            if accepted && !beside.iter().any(|other| union.accepts(*other)) {
                return Ok(false);
            }
            search.add(entered, beside, work)?;
        }
    }
    Ok(true)
}

struct Search<'a> {
    union: &'a Automaton,
    child: Automaton,
    /// By the child's position: the parents' sets it was found with.
    seen: Vec<Vec<Box<[u32]>>>,
    open: Vec<(u32, Box<[u32]>)>,
}

impl Search<'_> {
    /// Adds what is to be explored: the child in each of these positions, the parents in all of those.
    fn add(
        &mut self,
        mut entered: Vec<u32>,
        mut beside: Vec<u32>,
        work: &mut Work<'_>,
    ) -> Result<(), Exhausted> {
        if beside
            .iter()
            .any(|other| self.union.token(*other) == Token::Any)
        {
            return Ok(());
        }
        self.child.prune(&mut entered);
        self.union.prune(&mut beside);
        for position in entered {
            let Some(seen) = self.seen.get_mut(position as usize) else {
                continue;
            };
            let mut known = false;
            for set in &*seen {
                work.spend(set.len().saturating_add(beside.len()).saturating_add(1))?;
                if self.union.is_dominated(set, &beside) {
                    known = true;
                    break;
                }
            }
            if !known {
                work.spend(beside.len().saturating_mul(2).saturating_add(8))?;
                seen.push(beside.as_slice().into());
                self.open.push((position, beside.as_slice().into()));
            }
        }
        Ok(())
    }

    /// The symbols that lead the child on from here and make a difference to it or to the parents.
    fn symbols(
        &self,
        position: u32,
        set: &[u32],
        work: &mut Work<'_>,
    ) -> Result<Vec<Symbol>, Exhausted> {
        let (characters, slash) = match self.child.token(position) {
            Token::Char(literal) => return Ok(vec![Symbol::Char(literal)]),
            Token::Slash | Token::Tail => return Ok(vec![Symbol::Slash]),
            Token::End => return Ok(Vec::new()),
            // The end of a star's segment is the business of the positions that were entered with it.
            Token::Star => (true, false),
            Token::Deep | Token::Inside | Token::Any => (true, true),
        };
        let mut symbols = Vec::new();
        if slash {
            symbols.push(Symbol::Slash);
        }
        if characters {
            work.spend(set.len())?;
            let mut literals: Vec<char> = set
                .iter()
                .filter_map(|other| match self.union.token(*other) {
                    Token::Char(literal) => Some(literal),
                    _ => None,
                })
                .collect();
            literals.sort_unstable();
            literals.dedup();
            symbols.push(Symbol::Other);
            symbols.extend(literals.into_iter().map(Symbol::Char));
        }
        Ok(symbols)
    }
}
