//! Fuzzes the parser of `yaml`.
#![no_main]

#[path = "../../tests/it/hostile/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::run("yaml", bytes));
