//! K3s as it is released: `k3s server` as one supervised process on loopback, with this cluster's own authorities, and `k3s agent`
//! as the node of a machine.

mod agent;
mod authorities;
mod fetch;
mod flags;
mod last;
mod notify;
mod program;
mod release;
mod server;
mod tokens;
mod upkeep;
mod version;

pub use agent::{K3sAgent, RuntimeError, token};
pub(crate) use agent::{Lent, Traces};
pub use fetch::{FetchError, fetch};
pub(crate) use program::find;
pub use program::{K3sError, LEAST_VERSION, find_at, locate};
pub use release::{Place, RELEASES, Release};
pub use server::K3sServer;
pub(crate) use server::cleanup;
pub use upkeep::{Upkeep, UpkeepError, upkeep};
pub use version::Version;
