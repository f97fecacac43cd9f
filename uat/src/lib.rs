//! Black-box acceptance: everything here drives the built `swamp` binary and depends on none of its packages.
