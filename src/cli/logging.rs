//! Log records on stderr: warnings always, more with `-v`.

use std::fs::File;
use std::io;
use std::sync::Mutex;

use swamp::repo::Environment;
use tracing_subscriber::EnvFilter;

use super::args::Global;

/// Installs the subscriber. Records of other crates appear only at the highest verbosity: they name requests.
pub(crate) fn start(global: &Global, environment: &Environment, is_terminal: bool, file: Option<File>) {
    let verbosity = global.verbosity();
    let directives = match verbosity {
        0 => "error,swamp=warn",
        1 => "error,swamp=info",
        2 => "warn,swamp=debug",
        _ => "debug,swamp=trace",
    };
    let is_coloured = is_terminal && file.is_none() && !global.no_color && environment.variable("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_writer(io::stderr)
        // The complaint about a stderr that cannot be written to, such as a closed terminal, would be a panic.
        .log_internal_errors(false)
        .with_ansi(is_coloured)
        .with_target(verbosity > 1);
    if let Some(file) = file {
        return builder.with_writer(Mutex::new(file)).init();
    }
    if verbosity > 1 { builder.init() } else { builder.without_time().init() }
}
