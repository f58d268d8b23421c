//! Project automation: demo, test, tidy, bench.

fn main() {}
