//! Open enums: a number without a name is kept.

/// Declares open enums: a number with constants for the names of the protocol.
macro_rules! open_enums {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$value_doc:meta])* $value:ident = $number:literal, )+ }
    )+) => { $(
        $(#[$doc])*
        ///
        /// A number that has no name here is kept as it is.
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i32);

        impl $name {
            $( $(#[$value_doc])* pub const $value: $name = $name($number); )+

            /// Returns the name in the protocol, or `None` for a number without one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( $number => Some(stringify!($value)), )+
                    _ => None,
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}({})", stringify!($name), self.0),
                }
            }
        }

        impl crate::cap::wire::codec::field::Field for $name {
            fn write(&self, number: u32, out: &mut crate::cap::wire::codec::write::Writer) {
                crate::cap::wire::codec::field::Field::write(&self.0, number, out);
            }

            fn merge(
                &mut self,
                value: &crate::cap::wire::codec::read::Value<'_>,
                name: &'static str,
                allowance: &mut crate::cap::wire::codec::read::Allowance,
            ) -> Result<bool, crate::cap::wire::codec::error::DecodeError> {
                crate::cap::wire::codec::field::Field::merge(&mut self.0, value, name, allowance)
            }
        }
    )+

        /// The declarations: names of enums, and their values.
        #[cfg(test)]
        pub(crate) const ENUMS: &[crate::cap::wire::codec::open_enum::Declared] =
            &[$( (stringify!($name), &[$( (stringify!($value), $number) ),+]) ),+];
    };
}

/// An enum's name and its values.
#[cfg(test)]
pub(crate) type Declared = (&'static str, &'static [(&'static str, i32)]);

pub(crate) use open_enums;
