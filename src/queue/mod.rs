//! The durable queue: what came in, for whom, and what became of it.
