//! Whether this machine can mount, for whom, and how fast that is.

use swamp_mount::{Device, Diagnosis, HALT_POLL_SETTING};

use super::{Check, Severity};

/// The first kernel that lets us answer reads and writes of our own files by itself.
const PASSTHROUGH_KERNEL: (u32, u32) = (6, 9);

/// Returns what is as it must be for `swamp mount`, and what is not. Nothing but mounting depends on any of it.
pub(super) fn checks(machine: &Diagnosis) -> Vec<Check> {
    let mut checks = vec![device(machine), users(machine), speed(machine)];
    if machine.is_pruned == Some(false) {
        let message = "`updatedb` would look through every mount, also of other namespaces";
        checks.push(warning("mount_indexed", message, "add `fuse.swamp` to PRUNEFS in /etc/updatedb.conf"));
    }
    if machine.is_privileged && !machine.has_control {
        let message = "a mount that hangs could not be given up: fusectl is not mounted";
        checks.push(warning("mount_control", message, "mount -t fusectl fusectl /sys/fs/fuse/connections"));
    }
    if machine.halt_poll_ns == Some(0) {
        let message = format!(
            "the processors of this virtual machine sleep at once: walks of many small directories take several times as \
             long as with `echo 200000 > {HALT_POLL_SETTING}`"
        );
        checks.push(Check::passed("mount_walks", message));
    }
    checks.extend(machine.propagation.map(|propagation| {
        let message = if propagation.is_shared {
            "containers that share the directory of the mountpoint see the mount"
        } else {
            "a mount is seen in this mount namespace only, not in containers"
        };
        Check::passed("mount_propagation", message)
    }));
    checks
}

fn device(machine: &Diagnosis) -> Check {
    let name = "fuse";
    match machine.device {
        Device::Usable => Check::passed(name, format!("/dev/fuse can be used (kernel {})", machine.kernel)),
        Device::Missing => warning(
            name,
            "there is no /dev/fuse",
            "load the kernel module with `modprobe fuse`, or give the container `--device /dev/fuse`; everything but \
             mounting works without",
        ),
        Device::Denied => {
            warning(name, "/dev/fuse cannot be opened", "let users read and write it: `chmod 666 /dev/fuse`")
        }
    }
}

fn users(machine: &Diagnosis) -> Check {
    let name = "mount_users";
    match (machine.is_privileged, &machine.fusermount) {
        (true, _) => Check::passed(name, "this user may mount, also for others"),
        (false, None) => warning(
            name,
            "there is no `fusermount3`, which ordinary users mount with",
            "install the package fuse3; everything but mounting works without",
        ),
        (false, Some(_)) if machine.allows_others => {
            Check::passed(name, "ordinary users may mount, also for others with `--allow-other`")
        }
        (false, Some(_)) => Check::passed(
            name,
            "ordinary users may mount for themselves; `user_allow_other` in /etc/fuse.conf would allow `--allow-other`",
        ),
    }
}

fn speed(machine: &Diagnosis) -> Check {
    let name = "mount_passthrough";
    let is_new = version(&machine.kernel).is_some_and(|version| version >= PASSTHROUGH_KERNEL);
    let message = match (machine.is_privileged, is_new) {
        (true, true) => "our own files are read and written at the speed of the disk",
        (true, false) => "this kernel passes every read and write through swamp, which is slower; Linux 6.9 would not",
        (false, _) => "reads and writes pass through swamp, which is slower; mounted by root they would not",
    };
    Check::passed(name, message)
}

fn warning(name: &'static str, message: &str, hint: &str) -> Check {
    Check::failed(name, Severity::Warning, message, Some(hint.to_owned()))
}

/// Returns the first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Diagnosis {
        Diagnosis {
            device: Device::Usable,
            fusermount: Some("/usr/bin/fusermount3".into()),
            allows_others: false,
            is_privileged: false,
            kernel: "6.18.1-cloud".to_owned(),
            has_control: false,
            propagation: None,
            is_pruned: None,
            halt_poll_ns: None,
        }
    }

    fn failed(machine: &Diagnosis) -> Vec<&'static str> {
        checks(machine).into_iter().filter(|check| !check.passed).map(|check| check.check).collect()
    }

    #[test]
    fn an_ordinary_user_with_the_helper_can_mount() {
        assert_eq!(failed(&machine()), Vec::<&str>::new());
    }

    #[test]
    fn everything_that_is_missing_is_told() {
        let bare = Diagnosis { device: Device::Missing, fusermount: None, is_pruned: Some(false), ..machine() };

        assert_eq!(failed(&bare), ["fuse", "mount_users", "mount_indexed"]);
    }

    #[test]
    fn processors_that_sleep_at_once_are_told() {
        let told = |halt_poll_ns| {
            let checks = checks(&Diagnosis { halt_poll_ns, ..machine() });
            checks.iter().any(|check| check.check == "mount_walks" && check.passed)
        };

        assert_eq!([None, Some(200_000), Some(0)].map(told), [false, false, true]);
    }

    #[test]
    fn releases_begin_with_two_numbers() {
        assert_eq!(version("6.18.1-cloud"), Some((6, 18)));
        assert_eq!(version("6.9-rc1"), Some((6, 9)));
        assert_eq!(version("unknown"), None);
    }
}
