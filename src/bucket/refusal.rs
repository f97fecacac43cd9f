//! What the refusal of a server is about, and what that means to a user of the bucket.

use super::{BucketError, Outage, Source};

/// Characters of a server's message that are shown.
const MESSAGE_CHARS_MAX: usize = 256;

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    KeyAbsent,
    BucketAbsent,
    NotModified,
    Precondition,
    Denied,
    Busy,
    Damaged,
    Invalid,
}

/// A request that was refused, and what its sender knows.
pub(super) struct Refused<'a, H> {
    pub(super) operation: &'static str,
    pub(super) key: String,
    /// The refusal as the server worded it.
    pub(super) reply: Source,
    /// The bucket that was asked.
    pub(super) bucket: &'a str,
    /// Says what to do about credentials.
    pub(super) hint: H,
}

impl Refusal {
    /// Returns what this refusal of a request means.
    pub(super) fn of<H: FnOnce() -> String>(self, refused: Refused<'_, H>) -> BucketError {
        let Refused { operation, key, reply, bucket, hint } = refused;
        match self {
            Self::KeyAbsent => BucketError::NotFound { key },
            Self::NotModified => BucketError::NotModified { key },
            Self::Precondition => BucketError::Precondition { key },
            Self::Denied => BucketError::Denied { key, hint: Some(hint()), source: reply },
            Self::Busy => BucketError::Unavailable { operation, key, source: Outage::Failing.caused_by(reply) },
            Self::Damaged => BucketError::Corrupt { key, source: reply },
            Self::Invalid => BucketError::Invalid { operation, key, source: reply },
            Self::BucketAbsent => {
                let source = format!("there is no bucket `{bucket}`").into();
                BucketError::Invalid { operation, key, source }
            }
        }
    }
}

/// Returns as much of a server's message as is shown.
pub(super) fn shown(message: &str) -> String {
    message.chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_of_the_server_is_cut() {
        assert_eq!(shown(&"x".repeat(10_000)), "x".repeat(MESSAGE_CHARS_MAX));
    }
}
