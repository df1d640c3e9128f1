//! What a setting is, and the macro that makes a struct, its reader and its documentation from one table.

use std::borrow::Cow;

/// What a setting's value must look like, and how it is read.
pub struct Rule<T> {
    /// Completes "must be …".
    pub says: Cow<'static, str>,
    /// The value, unless the text breaks the rule.
    pub parse: Box<Parse<T>>,
}

type Parse<T> = dyn Fn(&str) -> Result<T, Broken>;

/// A text breaks a rule. What the rule doesn't say by itself may be added.
pub struct Broken(pub Option<String>);

/// One row of the table; `D` is the draft that collects the values.
pub struct Setting<D> {
    /// Its key in the file: `worker.lease`.
    pub key: &'static str,
    /// Its environment variable; `None` for what stands in a list.
    pub env: Option<&'static str>,
    /// Its value when nothing is given: empty for none at all. Without a default it must be given.
    pub default: Option<&'static str>,
    /// Its value is never shown.
    pub secret: bool,
    /// What it does, for the reference.
    pub doc: &'static [&'static str],
    /// Completes "must be …".
    pub says: fn() -> Cow<'static, str>,
    /// Reads a text into the draft.
    pub set: fn(&mut D, &str) -> Result<(), Broken>,
}

/// Makes a struct of typed values, a draft that collects them, and the table that fills it.
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident, draft $draft:ident, table $table:ident;
        $(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty { key: $key:literal, env: $env:expr, default: $default:expr, secret: $secret:literal, rule: $rule:expr }
        )+
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $($(#[doc = $doc])+ $vis $field: $type,)+
        }

        #[derive(Default)]
        pub(super) struct $draft {
            $(pub(super) $field: Option<$type>,)+
        }

        impl $draft {
            /// The values; `None` while one is missing.
            pub(super) fn finish(self) -> Option<$name> {
                Some($name { $($field: self.$field?,)+ })
            }
        }

        pub(super) const $table: &[$crate::config::Setting<$draft>] = &[$(
            $crate::config::Setting {
                key: $key,
                env: $env,
                default: $default,
                secret: $secret,
                doc: &[$($doc),+],
                says: || $rule.says,
                set: |draft, text| {
                    draft.$field = Some(($rule.parse)(text)?);
                    Ok(())
                },
            },
        )+];
    };
}
