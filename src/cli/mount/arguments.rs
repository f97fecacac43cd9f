//! The flags of `swamp mount` and its relatives, and the words they take.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use swamp::mounting::{Pushes, Special, Timing};

/// Where it is mounted unless said otherwise.
pub(crate) const MOUNTPOINT: &str = "/mnt/swamp";

/// Show all namespaces of the datastore as files
///
/// Our own namespace can be written to with any program; what changes is pushed a few seconds later. All other
/// namespaces can be read: names and sizes come from their catalogs, contents from the datastore when a file is opened,
/// and are kept in memory only. Nothing but that needs the network, and neither does mounting.
///
/// Stays in the foreground until it is unmounted, interrupted or its terminal is closed, which pushes what is left; a second
/// interrupt leaves at once and keeps the rest for the next mount. `.swamp/` in the mount tells how things are:
/// `status.json`, `queue`, `errors`, `stats`; and what the catalog says of each version:
/// `meta/{namespace}/{model}/{name}/{version}.json`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  swamp mount                              on /mnt/swamp, until Ctrl-C\n  \
                        swamp mount ~/all --daemon               in the background\n  \
                        cat /mnt/swamp/.swamp/queue              what is not pushed yet\n  \
                        swamp mount --no-push --read-only        to look around\n  \
                        swamp unmount")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct MountArguments {
    /// Where: an empty directory, made if it is missing
    #[arg(value_name = "DIR", default_value = MOUNTPOINT)]
    pub(super) mountpoint: PathBuf,
    /// Return as soon as the mount answers, and serve it in the background
    #[arg(long)]
    pub(super) daemon: bool,
    /// Write log records to this file instead of stderr [default with `--daemon`: `mount.log` beside the cache]
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// How long after the last change a push begins
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration, help_heading = "Synchronisation")]
    push_delay: Duration,
    /// How long after the first change a push begins at the latest
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, help_heading = "Synchronisation")]
    push_max_delay: Duration,
    /// Push only when asked: by `swamp datastore sync --push` or `swamp unmount`
    #[arg(long, help_heading = "Synchronisation")]
    pub(super) no_push: bool,
    /// How often to look at what other namespaces published
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, help_heading = "Synchronisation")]
    refresh: Duration,
    /// How long to push what is left when the mount is interrupted
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, help_heading = "Synchronisation")]
    pub(super) timeout: Duration,
    /// Let other users in, as the permissions of the files say
    #[arg(long, help_heading = "Access")]
    pub(super) allow_other: bool,
    /// Show our own namespace read-only, too
    #[arg(long, help_heading = "Access")]
    pub(super) read_only: bool,
    /// The owner that files of other namespaces show [default: who mounts]
    #[arg(long, value_name = "ID", help_heading = "Access")]
    pub(super) uid: Option<u32>,
    /// The group that files of other namespaces show [default: who mounts]
    #[arg(long, value_name = "ID", help_heading = "Access")]
    pub(super) gid: Option<u32>,
    /// Keep symbolic links, pipes, sockets and devices on this machine; they are never pushed, so they are refused otherwise
    #[arg(long, help_heading = "Access")]
    keep_special: bool,
    /// How long opening or reading a file of another namespace may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, help_heading = "Resources")]
    pub(super) deadline: Duration,
    /// How much fetched content is kept in memory
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = bytes, help_heading = "Resources")]
    pub(super) cache_bytes: u64,
    /// Never let the kernel read and write our own files by itself
    #[arg(long, help_heading = "Resources")]
    pub(super) no_passthrough: bool,
    /// Given by `--daemon` to the process in the background
    #[arg(long, hide = true, conflicts_with = "daemon")]
    pub(super) detached: bool,
}

impl MountArguments {
    pub(super) fn timing(&self) -> Timing {
        let pushes = if self.no_push { Pushes::OnRequest } else { Pushes::Automatic };
        let (push_delay, refresh) = (self.push_delay, self.refresh.max(Duration::from_secs(1)));
        Timing { push_delay, push_delay_max: self.push_max_delay.max(push_delay), refresh, pushes }
    }

    pub(super) fn special(&self) -> Special {
        if self.keep_special { Special::Kept } else { Special::Refused }
    }

    /// How long the end may take once somebody has interrupted.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout + super::END_MAX
    }
}

/// End a mount, after pushing what is left
///
/// Waits until everything has reached the datastore, then unmounts. What has not arrived when the time is over stays
/// here and is named (exit status 75); the next mount or `swamp datastore sync` sends it. A mount whose process is dead is
/// taken away.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  swamp unmount\n  swamp unmount ~/all --timeout 5m\n  \
                        swamp unmount --timeout 0                leave the rest for later")]
pub(crate) struct UnmountArguments {
    /// Where it is mounted [default: where this repository is, else /mnt/swamp]
    #[arg(value_name = "DIR")]
    pub(super) mountpoint: Option<PathBuf>,
    /// How long to wait for what is not pushed yet
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(super) timeout: Duration,
}

/// Takes a mount away when the process that serves it is gone; started by `swamp mount`
#[derive(Args, Clone, Debug)]
pub(crate) struct GuardianArguments {
    /// Where it is mounted
    pub(super) mountpoint: PathBuf,
    /// What names the mounts of its repository
    pub(super) source: String,
}

/// Reads `250ms`, `2s`, `5m`, `1h`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_error| "a time is a number with a unit, like `30s`".to_owned())?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("`{unit}` is none of the units `ms`, `s`, `m`, `h`")),
    };
    // A year is for ever, and leaves room to add to it.
    let milliseconds = number.saturating_mul(milliseconds).min(365 * 24 * 3_600_000);
    Ok(Duration::from_millis(milliseconds))
}

/// Reads `512M`, `1G`, `64K`, or a number of bytes.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_error| "a size is a number with a unit, like `512M`".to_owned())?;
    let shift = match unit.to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(format!("`{unit}` is none of the units `K`, `M`, `G`, `T`")),
    };
    number.checked_mul(1 << shift).ok_or_else(|| "it is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let times = ["250ms", "2s", "7", "5m", "1h", "0"].map(|text| duration(text).expect("a time").as_millis());

        assert_eq!(times, [250, 2_000, 7_000, 300_000, 3_600_000, 0]);
        assert_eq!(duration("soon"), Err("a time is a number with a unit, like `30s`".to_owned()));
        assert_eq!(duration("3d"), Err("`d` is none of the units `ms`, `s`, `m`, `h`".to_owned()));
    }

    #[test]
    fn sizes_have_units() {
        let sizes = ["512M", "1G", "64K", "7", "2MiB", "3kb"].map(|text| bytes(text).expect("a size"));

        assert_eq!(sizes, [512 << 20, 1 << 30, 64 << 10, 7, 2 << 20, 3 << 10]);
        assert_eq!(bytes("99999999T"), Err("it is too large".to_owned()));
        assert_eq!(bytes("M"), Err("a size is a number with a unit, like `512M`".to_owned()));
    }
}
