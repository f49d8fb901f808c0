//! Enumerations that are a `u8` on chain.

/// `code! { /// doc Name "what it is" { /// doc Variant = 0 "text", … } }`: the enum, its number and its word.
macro_rules! code {
    (
        $(#[$doc:meta])* $name:ident $what:literal {
            $($(#[$variant_doc:meta])* $variant:ident = $number:literal $text:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "u8", into = "u8")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl TryFrom<u8> for $name {
            type Error = String;

            fn try_from(number: u8) -> Result<Self, Self::Error> {
                Ok(match number {
                    $($number => Self::$variant,)*
                    other => return Err(format!(concat!("unknown ", $what, " {}"), other)),
                })
            }
        }

        impl From<$name> for u8 {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => $number,)*
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)*
                })
            }
        }
    };
}

pub(super) use code;
