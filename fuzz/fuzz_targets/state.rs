//! Fuzzes the parser of `state`.
#![no_main]

#[path = "../../tests/it/hostile/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::run("state", bytes));
