//! The data plane: what the engine's state means for this host's kernel, and keeping it so.
