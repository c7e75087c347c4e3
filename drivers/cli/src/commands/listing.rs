//! Lists that come in pages, and end by themselves or with Ctrl-C.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::exit::Exit;
use crate::signals::Interrupts;

/// Lists until the end or until Ctrl-C is pressed, which is the regular end of a list that is watched.
pub(super) async fn until_interrupted(
    listing: impl Future<Output = Result<(), Error>>,
    is_watched: bool,
) -> Result<Exit, Error> {
    let mut interrupts = Interrupts::listen().map_err(Error::System)?;
    tokio::select! {
        listed = listing => listed.map(|()| Exit::Success),
        () = interrupts.reach(1) => Ok(if is_watched { Exit::Success } else { Exit::Interrupted }),
    }
}

/// A list of the runtime's, and what to do if it has no end.
#[derive(Debug)]
pub(super) struct Listed {
    /// What is listed.
    pub(super) what: &'static str,
    /// The most cursors that are followed.
    pub(super) most: usize,
    /// How to list less.
    pub(super) narrower: &'static str,
    /// What to do about a page that comes again.
    pub(super) instead: &'static str,
}

/// The cursors of a list that is read to its end.
#[derive(Debug)]
pub(super) struct Cursors {
    of: &'static Listed,
    followed: BTreeSet<String>,
}

impl Cursors {
    pub(super) fn new(of: &'static Listed) -> Cursors {
        Cursors { of, followed: BTreeSet::new() }
    }

    /// Notes a cursor before it is followed.
    ///
    /// Errors: it was followed before, or the list has too many pages, so that it would never end.
    pub(super) fn follow(&mut self, cursor: &str) -> Result<(), Error> {
        let Listed { what, most, narrower, instead } = self.of;
        if self.followed.len() >= *most {
            return Err(Error::Refused(format!("the runtime lists {what} on more than {most} pages; {narrower}")));
        }
        if !self.followed.insert(cursor.to_owned()) {
            return Err(Error::Refused(format!(
                "the runtime names a page of its list that it has sent before, so the list would never end; {instead}"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Cursors;
    use crate::commands::find::{LISTED, MAX_PAGES};

    #[test]
    fn a_list_that_would_never_end_is_refused() {
        let mut cursors = Cursors::new(&LISTED);
        assert!(cursors.follow("a").is_ok() && cursors.follow("b").is_ok());
        let repeated = cursors.follow("a").expect_err("it would begin again").to_string();
        assert!(repeated.contains("it has sent before"), "{repeated}");

        let mut cursors = Cursors::new(&LISTED);
        assert!((0..MAX_PAGES).all(|page| cursors.follow(&page.to_string()).is_ok()));
        let endless = cursors.follow("more").expect_err("it never ends").to_string();
        assert!(endless.contains("1000 pages") && endless.contains("--since"), "{endless}");
    }
}
