//! Servers that tests, the demo and the benchmarks talk to.
