//! The command line of mixgate.

fn main() {}
