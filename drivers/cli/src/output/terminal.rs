//! What the terminal can do.

use console::Term;

/// Enables colours on stdout and on stderr, on each only if it is a terminal that supports them.
pub(crate) fn detect_colors() {
    console::set_colors_enabled(Term::stdout().features().colors_supported());
    console::set_colors_enabled_stderr(Term::stderr().features().colors_supported());
}

/// Returns whether it is a terminal on which lines can be replaced.
pub(crate) fn can_redraw(term: &Term) -> bool {
    term.is_term() && std::env::var_os("TERM").is_some_and(|name| name != "dumb")
}
