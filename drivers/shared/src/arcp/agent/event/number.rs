//! What is a number of an event.

use nuncio_core::arcp::{Number, Refused};

/// A value that a [`metric`](crate::arcp::JobContext::metric) or [`progress`](crate::arcp::JobContext::progress) can have:
/// an integer, a finite `f64`, a decimal, or a [`Number`] with the text of a JSON number.
///
/// It is implemented for every type that converts into a [`Number`].
pub trait IntoNumber {
    /// Converts the value.
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] for a NaN or an infinity, which JSON cannot write.
    fn into_number(self) -> Result<Number, Refused>;
}

impl<T: TryInto<Number, Error: Into<Refused>>> IntoNumber for T {
    fn into_number(self) -> Result<Number, Refused> {
        self.try_into().map_err(Into::into)
    }
}
