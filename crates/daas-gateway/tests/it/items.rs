//! The forty ways in which gateways like this one were broken, each with a test that is named after it. `docs/testing.md`
//! says which, and what guards against it.

mod framing;
mod headers;
mod http2;
mod paths;
mod resources;
mod strangers;
mod streams;
mod token;
mod wire;
