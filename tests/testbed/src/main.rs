//! The test servers as a program, for the demo and the benchmarks.

fn main() {}
