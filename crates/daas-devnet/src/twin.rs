//! The Move package, executed natively: one Rust module per Move module, each entry function with the contract's own
//! checks, in its order, with its abort codes and its events. `contracts/k3s_daas/interface.json` is what the compiled
//! bytecode declares; a test holds the two together, and `publish` accepts no other bytecode.

mod call;
mod cluster;
mod nautilus;
mod seal_token;
mod staking;
#[cfg(test)]
mod tests;

pub(crate) use call::{Arg, Call};

use crate::execute::Fault;

/// An entry function.
pub(crate) struct Function {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    /// As the interface file spells them, without the transaction context.
    pub(crate) params: &'static [&'static str],
    pub(crate) run: fn(&mut Call<'_, '_>) -> Result<(), Fault>,
}

/// A constant with `#[error(code = N)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MoveError {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) code: u8,
    pub(crate) message: &'static str,
}

/// All functions.
pub(crate) fn functions() -> impl Iterator<Item = &'static Function> {
    [cluster::FUNCTIONS, nautilus::FUNCTIONS, staking::FUNCTIONS].into_iter().flatten()
}

/// All errors.
pub(crate) fn errors() -> impl Iterator<Item = &'static MoveError> {
    [cluster::ERRORS, cluster::CAPS_ERRORS, nautilus::ERRORS, seal_token::ERRORS, staking::ERRORS].into_iter().flatten()
}

pub(crate) fn find(module: &str, name: &str) -> Option<&'static Function> {
    functions().find(|f| f.module == module && f.name == name)
}

/// The error behind an abort code of the package's module.
pub(crate) fn error(module: &str, abort_code: u64) -> Option<&'static MoveError> {
    let code = abort_code >> ERROR_CODE_SHIFT & 0xff;
    errors().find(|e| abort_code & CLEVER != 0 && e.module == module && u64::from(e.code) == code)
}

/// Set in the abort code of an error that has a name and a message.
const CLEVER: u64 = 1 << 63;
/// Where the `N` of `#[error(code = N)]` stands in the abort code.
const ERROR_CODE_SHIFT: u32 = 48;

impl MoveError {
    /// The abort code as Move encodes it: tag bit, the code, and line and table indices, which are zero here.
    pub(crate) fn abort_code(&self) -> u64 {
        CLEVER | u64::from(self.code) << ERROR_CODE_SHIFT
    }
}

/// `declare_errors! { "module" CONST = code "EName" "message"; … }`
macro_rules! declare_errors {
    ($all:ident, $module:literal: $($konst:ident = $code:literal $name:literal $message:literal;)*) => {
        $(const $konst: $crate::twin::MoveError =
            $crate::twin::MoveError { module: $module, name: $name, code: $code, message: $message };)*
        pub(super) const $all: &[$crate::twin::MoveError] = &[$($konst),*];
    };
}
use declare_errors;
