//! One file per domain type.

mod fault;
mod phase;
mod platform;
mod platform_settings;
mod session_kind;
mod settings;
mod source;

/// A message that is well-formed protobuf and yet makes no sense. `Display` names the field, never its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {field} is missing, unknown or out of range")]
pub struct Malformed {
    /// The field's name in the protobuf.
    pub field: &'static str,
}

impl Malformed {
    /// The field of this name is at fault.
    pub const fn new(field: &'static str) -> Self {
        Self { field }
    }
}

/// Conversions between a domain enum and a protobuf enum: total one way, by number or by variant the other way.
macro_rules! enum_conversion {
    ($domain:path, $wire:path, $field:literal, { $($d:ident <=> $w:ident),+ $(,)? }) => {
        impl From<$domain> for $wire {
            fn from(value: $domain) -> Self {
                match value {
                    $(<$domain>::$d => Self::$w),+
                }
            }
        }

        impl TryFrom<$wire> for $domain {
            type Error = crate::Malformed;

            fn try_from(value: $wire) -> Result<Self, crate::Malformed> {
                match value {
                    $(<$wire>::$w => Ok(Self::$d),)+
                    <$wire>::Unspecified => Err(crate::Malformed::new($field)),
                }
            }
        }

        impl $wire {
            /// The domain value of a protobuf enum number.
            ///
            /// # Errors
            /// The number is 0 or unknown here.
            pub fn to_domain(number: i32) -> Result<$domain, crate::Malformed> {
                Self::try_from(number).map_err(|_| crate::Malformed::new($field))?.try_into()
            }
        }
    };
}
use enum_conversion;
