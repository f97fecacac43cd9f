//! What a lock object says, and whether its holder is still there (formats.md 7.1, 7.3). Pure.

use std::time::Duration;

use crate::clock::Timestamp;

/// How long a lock lives without a heartbeat; the value every swamp writes.
pub const TTL: Duration = Duration::from_secs(30);

/// How often a holder renews its lock: a third of [`TTL`].
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// The largest lock object we read, in bytes.
pub const LOCK_BYTES_MAX: u64 = 64 * 1024;

/// The content of a lock object: pretty JSON with two spaces, without a final newline.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// `user@host`, for people.
    pub holder: String,
    /// The machine of the holder.
    pub hostname: String,
    /// The process of the holder on that machine.
    pub pid: u32,
    /// When the lock was taken or last renewed, by the holder's clock.
    pub acquired_at: Timestamp,
    /// How long after `acquired_at` the lock may be broken, in milliseconds.
    pub ttl_ms: u64,
    /// Unique to one acquisition.
    pub nonce: String,
}

impl Body {
    /// Returns the bytes of the lock object.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Returns how long the lock lives without a heartbeat; at most a day, whatever a hostile body says.
    pub fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms).min(Duration::from_hours(24))
    }
}

/// Who asks for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The user's name, for people.
    pub user: String,
    /// This machine's name.
    pub hostname: String,
    /// This process.
    pub pid: u32,
}

impl Holder {
    /// Returns this process as a holder; `user` is what the environment says.
    pub fn this_process(user: &str) -> Self {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { user: user.to_owned(), hostname, pid: std::process::id() }
    }
}

/// What an observer knows about a lock somebody else holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation<'a> {
    /// The parsed content, `None` if it is empty or broken.
    pub(super) body: Option<&'a Body>,
    /// When the store last wrote the lock, by the store's clock.
    pub(super) modified: Timestamp,
    /// Now, by our wall clock.
    pub(super) now: Timestamp,
    /// For how long we have watched the lock without seeing it renewed.
    pub(super) unchanged: Duration,
    /// Whether this machine remembers having taken it.
    pub(super) is_remembered: bool,
}

/// Whether a lock still protects its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody works under it.
    Live,
    /// Its process ran on this machine and is gone.
    Dead,
    /// It was not renewed in time.
    Expired,
}

/// Judges a lock. The hostname is compared before any process is looked up (trap T14): on shared storage the process
/// number of another machine means nothing here. Other machines may have our name, as clones and containers do: so a
/// process that is not there condemns a lock at once only if it was certainly taken here, else if it misses a heartbeat too.
///
/// Wall clocks of two machines may disagree, so age alone never condemns a lock: it must also have missed two
/// heartbeats while we watched, or its whole time to live. A broken body counts as one with the usual time to live.
pub(super) fn judge(seen: &Observation<'_>, me: &Holder, is_alive: impl Fn(u32) -> bool) -> Verdict {
    let ttl = seen.body.map_or(TTL, Body::ttl);
    // A renewal may be slow: half as much again as it takes from one to the next.
    let missed_heartbeat = seen.unchanged > ttl / 2;
    if let Some(body) = seen.body
        && body.hostname == me.hostname
        && (seen.is_remembered || missed_heartbeat)
        && !is_alive(body.pid)
    {
        return Verdict::Dead;
    }
    let looks_old = seen.now.since(seen.modified) > ttl;
    let missed_two = seen.unchanged > ttl * 2 / 3 + Duration::from_secs(1);
    if (looks_old && missed_two) || seen.unchanged > ttl { Verdict::Expired } else { Verdict::Live }
}

/// Whether a process of this machine exists.
pub(super) fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    match rustix::process::test_kill_process(pid) {
        Ok(()) => true,
        // Somebody else's process is a process.
        Err(error) => error == rustix::io::Errno::PERM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(hostname: &str) -> Body {
        Body {
            holder: format!("ana@{hostname}"),
            hostname: hostname.to_owned(),
            pid: 4,
            acquired_at: Timestamp::from_milliseconds(0),
            ttl_ms: 30_000,
            nonce: "n".to_owned(),
        }
    }

    fn seen(body: Option<&Body>, age_s: i64, unchanged_s: u64) -> Observation<'_> {
        Observation {
            body,
            modified: Timestamp::from_milliseconds(0),
            now: Timestamp::from_milliseconds(age_s * 1000),
            unchanged: Duration::from_secs(unchanged_s),
            is_remembered: false,
        }
    }

    fn judged(seen: &Observation<'_>, alive: bool) -> Verdict {
        judge(seen, &Holder { user: "ana".to_owned(), hostname: "here".to_owned(), pid: 1 }, |_| alive)
    }

    fn verdict(body: Option<&Body>, age_s: i64, unchanged_s: u64, alive: bool) -> Verdict {
        judged(&seen(body, age_s, unchanged_s), alive)
    }

    #[test]
    fn t14_the_process_of_another_machine_is_never_probed() {
        assert_eq!(verdict(Some(&body("there")), 1, 0, false), Verdict::Live);
        assert_eq!(verdict(Some(&body("there")), 1, 16, false), Verdict::Live);
    }

    #[test]
    fn a_lock_of_a_machine_that_has_our_name_is_live_while_it_is_renewed() {
        assert_eq!(verdict(Some(&body("here")), 1, 0, false), Verdict::Live);
        assert_eq!(verdict(Some(&body("here")), 1, 14, false), Verdict::Live);
        assert_eq!(verdict(Some(&body("here")), 1, 16, false), Verdict::Dead);
        assert_eq!(verdict(Some(&body("here")), 1, 16, true), Verdict::Live);
    }

    #[test]
    fn a_lock_that_a_dead_process_took_here_is_dead_at_once() {
        let here = body("here");
        let remembered = Observation { is_remembered: true, ..seen(Some(&here), 1, 0) };

        assert_eq!(judged(&remembered, false), Verdict::Dead);
        assert_eq!(judged(&remembered, true), Verdict::Live);
    }

    #[test]
    fn an_old_lock_is_watched_for_a_heartbeat_before_it_is_condemned() {
        assert_eq!(verdict(Some(&body("there")), 3600, 0, true), Verdict::Live);
        assert_eq!(verdict(Some(&body("there")), 3600, 12, true), Verdict::Live);
        assert_eq!(verdict(Some(&body("there")), 3600, 22, true), Verdict::Expired);
    }

    #[test]
    fn a_lock_from_the_future_expires_once_it_was_watched_for_its_whole_life() {
        assert_eq!(verdict(Some(&body("there")), -3600, 29, true), Verdict::Live);
        assert_eq!(verdict(Some(&body("there")), -3600, 31, true), Verdict::Expired);
    }

    #[test]
    fn t14_an_empty_lock_is_not_immortal() {
        assert_eq!(verdict(None, 3600, 22, true), Verdict::Expired);
    }

    #[test]
    fn the_body_is_what_the_existing_swamp_writes() {
        let text = String::from_utf8(body("build-7").to_bytes()).expect("UTF-8");

        assert_eq!(
            text,
            "{\n  \"holder\": \"ana@build-7\",\n  \"hostname\": \"build-7\",\n  \"pid\": 4,\n  \
             \"acquiredAt\": \"1970-01-01T00:00:00.000Z\",\n  \"ttlMs\": 30000,\n  \"nonce\": \"n\"\n}"
        );
    }
}
