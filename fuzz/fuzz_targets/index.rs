//! Fuzzes the parser of `index`.
#![no_main]

#[path = "../../tests/it/hostile/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::run("index", bytes));
