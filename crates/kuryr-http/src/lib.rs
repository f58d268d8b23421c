//! One accept loop for unix sockets, TCP and TLS.
