//! The Move package, executed natively: one Rust module per Move module, each function with the contract's own checks, in
//! their order, with their abort codes and places, and the same events. `contracts/k3s_daas/interface.json` is what the
//! compiled bytecode declares; a test holds the two together, and `publish` accepts no other bytecode.

mod attestation;
mod call;
mod caps;
mod cluster;
mod enclave;
mod founding;
mod k8s_gateway;
mod nautilus;
mod nitro;
mod node;
mod params;
mod policy;
mod position;
mod registry;
mod seal_token;
#[cfg(test)]
mod sequences;
mod slashing;
mod staking;
#[cfg(test)]
mod tests;
mod views;

pub(crate) use call::{Arg, Call};

use crate::execute::Fault;
use crate::objects::FRAMEWORK;
use sui_sdk_types::Address;

/// A function that a transaction may call.
pub(crate) struct Function {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    /// As the interface file spells them, without the transaction context.
    pub(crate) params: &'static [&'static str],
    pub(crate) run: Run,
}

/// What running it does.
pub(crate) enum Run {
    /// Changes things and answers nothing.
    Change(fn(&mut Call<'_, '_>) -> Result<(), Fault>),
    /// Changes nothing and answers BCS of a type.
    Answer(fn(&mut Call<'_, '_>) -> Result<Vec<u8>, Fault>, &'static str),
}

/// A constant with `#[error(code = N)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MoveError {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) code: u8,
    pub(crate) message: &'static str,
}

/// All functions of the package.
pub(crate) fn functions() -> impl Iterator<Item = &'static Function> {
    [
        founding::FUNCTIONS,
        cluster::FUNCTIONS,
        staking::FUNCTIONS,
        node::FUNCTIONS,
        nautilus::FUNCTIONS,
        k8s_gateway::FUNCTIONS,
    ]
    .into_iter()
    .chain(views::FUNCTIONS)
    .flatten()
}

/// All errors of the package.
pub(crate) fn errors() -> impl Iterator<Item = &'static MoveError> {
    [
        attestation::ERRORS,
        caps::ERRORS,
        cluster::ERRORS,
        k8s_gateway::ERRORS,
        nautilus::ERRORS,
        node::ERRORS,
        policy::ERRORS,
        position::ERRORS,
        registry::ERRORS,
        seal_token::ERRORS,
        slashing::ERRORS,
        staking::ERRORS,
    ]
    .into_iter()
    .flatten()
}

/// The function of the framework or, at any other address, of the package.
pub(crate) fn find(package: Address, module: &str, name: &str) -> Option<&'static Function> {
    let is = |f: &&Function| f.module == module && f.name == name;
    if package == FRAMEWORK { nitro::FUNCTIONS.iter().find(is) } else { functions().find(is) }
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

// === impl Function ===

#[cfg(test)]
impl Function {
    /// The type of what it answers, if it answers.
    pub(crate) fn answers(&self) -> Option<&'static str> {
        match self.run {
            Run::Change(_) => None,
            Run::Answer(_, kind) => Some(kind),
        }
    }
}

// === impl MoveError ===

impl MoveError {
    /// The abort code as Move encodes it: tag bit, the code, and line and table indices, which are zero here.
    pub(crate) fn abort_code(&self) -> u64 {
        CLEVER | u64::from(self.code) << ERROR_CODE_SHIFT
    }
}

/// `declare_errors! { "module": CONST = code "EName" "message"; … }`
macro_rules! declare_errors {
    ($module:literal: $($konst:ident = $code:literal $name:literal $message:literal;)*) => {
        $(pub(super) const $konst: $crate::twin::MoveError =
            $crate::twin::MoveError { module: $module, name: $name, code: $code, message: $message };)*
        pub(super) const ERRORS: &[$crate::twin::MoveError] = &[$($konst),*];
    };
}
use declare_errors;

/// `declare_functions! { "module": name(PARAM, …) => path; … }`
macro_rules! declare_functions {
    ($module:literal: $($name:ident($($param:expr),* $(,)?) => $run:expr;)*) => {
        pub(super) const FUNCTIONS: &[$crate::twin::Function] = &[$($crate::twin::Function {
            module: $module,
            name: stringify!($name),
            params: &[$($param),*],
            run: $crate::twin::Run::Change($run),
        }),*];
    };
}
use declare_functions;
