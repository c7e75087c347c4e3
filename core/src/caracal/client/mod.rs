//! What a program passes along with its calls: who acts for whom (`context.rs`), what it has set on a call by itself
//! (`inject.rs`), and where the call goes (`routing/`).

pub(crate) mod context;
pub(crate) mod inject;
pub(crate) mod routing;
