//! State enums that change only by their transitions.

/// Declares the transitions of a state enum. Each becomes a method that changes the state and returns true, or returns
/// false in a state that does not have the transition.
///
/// In tests, `TRANSITIONS` lists the methods with their names. The printed table of states and transitions is therefore
/// made with the same methods that the machine calls.
macro_rules! transitions {
    ($state:ident { $( $(#[$doc:meta])* $name:ident: $( $($from:ident)|+ => $to:ident ),+; )+ }) => {
        impl $state {
            $(
                $(#[$doc])*
                #[must_use = "nothing changes in a state that the transition does not leave"]
                pub(crate) fn $name(&mut self) -> bool {
                    #[allow(clippy::wildcard_enum_match_arm, reason = "whatever is not listed is not left")]
                    let next = match self {
                        $( $(Self::$from)|+ => Self::$to, )+
                        _ => return false,
                    };
                    *self = next;
                    true
                }
            )+
        }

        #[cfg(test)]
        impl crate::state::Table for $state {
            const TRANSITIONS: &'static [crate::state::Transition<$state>] =
                &[ $( (stringify!($name), $state::$name), )+ ];
        }
    };
}

pub(crate) use transitions;

#[cfg(test)]
pub(crate) use table::{Table, Transition, table};

#[cfg(test)]
mod table {
    use alloc::string::String;
    use core::fmt::{Debug, Write as _};

    /// A transition and its name.
    pub(crate) type Transition<S> = (&'static str, fn(&mut S) -> bool);

    /// A state enum with its transitions.
    pub(crate) trait Table: Copy + Debug + PartialEq + Sized + 'static {
        const TRANSITIONS: &'static [Transition<Self>];
    }

    /// Applies every transition to every state and lists the resulting states; `-` means that the transition does not
    /// apply.
    pub(crate) fn table<S: Table>(states: &[S]) -> String {
        let mut table = String::new();
        for from in states {
            for (name, transition) in S::TRANSITIONS {
                let mut state = *from;
                let changed = transition(&mut state);
                assert!(changed || state == *from, "{name} changed {from:?} and returned false");
                let to = if changed { alloc::format!("{state:?}") } else { "-".into() };
                let from = alloc::format!("{from:?}");
                writeln!(table, "{from:<15}{name:<12}-> {to}").expect("writing to a string does not fail");
            }
        }
        table
    }
}
