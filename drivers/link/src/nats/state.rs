/// The state of a link. It changes only by the methods below, each of which returns whether it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// INFO has not come yet.
    Waiting,
    /// INFO has come; the driver may start TLS and then logs in.
    Greeted,
    /// CONNECT and PING are sent, and not answered yet.
    Connecting,
    /// The server has accepted the login.
    Ready,
    Closed,
}

impl State {
    /// Notes that INFO has come.
    #[must_use]
    pub(super) fn greet(&mut self) -> bool {
        self.change(State::Greeted, |state| state == State::Waiting)
    }

    /// Notes that CONNECT is sent.
    #[must_use]
    pub(super) fn login(&mut self) -> bool {
        self.change(State::Connecting, |state| state == State::Greeted)
    }

    /// Notes that the first PONG has come.
    #[must_use]
    pub(super) fn accept(&mut self) -> bool {
        self.change(State::Ready, |state| state == State::Connecting)
    }

    /// Notes the end.
    #[must_use]
    pub(super) fn close(&mut self) -> bool {
        self.change(State::Closed, |state| state != State::Closed)
    }

    fn change(&mut self, to: State, may: fn(State) -> bool) -> bool {
        let changes = may(*self);
        if changes {
            *self = to;
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::State::{self, Closed, Connecting, Greeted, Ready, Waiting};

    #[test]
    fn the_table_of_transitions_is_complete() {
        type Transition = fn(&mut State) -> bool;
        let transitions: [(Transition, [Option<State>; 5]); 4] = [
            (State::greet, [Some(Greeted), None, None, None, None]),
            (State::login, [None, Some(Connecting), None, None, None]),
            (State::accept, [None, None, Some(Ready), None, None]),
            (State::close, [Some(Closed), Some(Closed), Some(Closed), Some(Closed), None]),
        ];
        for (transition, results) in transitions {
            for (from, to) in [Waiting, Greeted, Connecting, Ready, Closed].into_iter().zip(results) {
                let mut state = from;
                assert_eq!(transition(&mut state), to.is_some(), "{from:?}");
                assert_eq!(state, to.unwrap_or(from));
            }
        }
    }
}
