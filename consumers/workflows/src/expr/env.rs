//! What expressions are evaluated with, and printed with.

use std::borrow::Cow;

use serde_json::Value;

use super::Root;

/// The values that names begin with.
pub trait Env {
    /// What stands for the root now: of a step or a variable `null` until it has one. Anything here has the type that the root
    /// was checked with. Of [`Root::Now`] and `started` of [`Root::Run`] any RFC 3339 moment in UTC is right.
    fn value(&self, root: &Root) -> Cow<'_, Value>;

    /// Takes note that a value of about so many bytes was made on the way to a result. Whether there may be more: if not, all
    /// that is left is `null`, and the host has to give the result up. Without a limit there may always be.
    fn may_go_on(&self, bytes: usize) -> bool {
        let _ = bytes;
        true
    }
}

/// What names begin with in JSONata.
pub trait Names {
    /// The JSONata expression for the root: a variable such as `$s_mail`. It is never undefined, and what it gives has the type that
    /// the root was checked with. A path isn't as good: JSONata makes one value of a list with one item on the way.
    ///
    /// Names that begin with `$x_` belong to the prelude.
    fn jsonata(&self, root: &Root) -> String;
}
