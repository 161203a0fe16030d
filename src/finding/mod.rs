//! What is found in a module: what stands against it ([`Refusal`]), what is allowed but probably not
//! meant ([`Warning`]), and why there is no result at all ([`Error`]), each with its code and remedy.

mod codes;
mod error;
mod refusal;
pub(crate) mod remedy;
mod warning;

pub use error::{Error, VerifyError};
pub use refusal::Refusal;
pub use warning::{StillNamed, UntoldOfExports, Warning};
