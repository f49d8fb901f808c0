//! The simulated TEE: an NSM on a Unix socket.
