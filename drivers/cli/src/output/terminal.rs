//! What the terminal can do.

use clap::ColorChoice;
use console::Term;

/// Enables colours on stdout and on stderr: `Auto` on each only if it is a terminal that supports them, and if `NO_COLOR` is not
/// set.
pub(crate) fn enable_colors(choice: ColorChoice) {
    let are_wanted = |term: Term| match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => term.features().colors_supported(),
    };
    console::set_colors_enabled(are_wanted(Term::stdout()));
    console::set_colors_enabled_stderr(are_wanted(Term::stderr()));
}

/// Returns whether it is a terminal on which lines can be replaced.
pub(crate) fn can_redraw(term: &Term) -> bool {
    term.is_term() && std::env::var_os("TERM").is_some_and(|name| name != "dumb")
}
