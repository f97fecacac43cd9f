//! Fuzzes the parser of `meta`.
#![no_main]

#[path = "../../tests/it/hostile/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::run("meta", bytes));
