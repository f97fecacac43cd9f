//! Black-box acceptance: everything here drives the built `swamp` binary and depends on none of its packages.
//!
//! A story plays in a [`Scene`]: a datastore (a directory, an S3 or a GCS server) and machines that share nothing else. A
//! [`Machine`] has a home, a cache and an environment of its own; a [`Repository`] on it runs commands. Whatever fails
//! shows the transcript of every command the story ran before.
//!
//! A command that does not end within [`COMMAND_SECONDS_MAX`] is killed and fails the story.
#![expect(
    clippy::disallowed_methods,
    reason = "the harness lives outside the program: real time, real environment, plain files"
)]
#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a failed expectation ends the story that has it")]

mod binary;
mod command;
mod datastore;
mod disk;
mod files;
mod machine;
mod mounted;
mod scene;
mod transcript;
pub mod tree;

pub use binary::swamp;
pub use command::{COMMAND_SECONDS_MAX, Outcome, Running};
pub use datastore::{Backend, Datastore};
pub use disk::SmallDisk;
pub use files::{files_below, files_containing};
pub use machine::{Machine, Repository};
pub use mounted::{MOUNT_PATIENCE, Mounted};
pub use scene::Scene;

/// A reproducible, ill-behaved number.
pub fn scrambled(number: u64) -> u64 {
    let mixed = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

/// Makes a test of every story named on each of the backends: a directory, S3, GCS.
#[macro_export]
macro_rules! on_every_backend {
    ($($story:ident),+ $(,)?) => {
        $(
            mod $story {
                #[test]
                fn on_a_directory() {
                    super::$story(&$crate::Scene::new($crate::Backend::Directory));
                }

                #[test]
                fn on_s3() {
                    super::$story(&$crate::Scene::new($crate::Backend::S3));
                }

                #[test]
                fn on_gcs() {
                    super::$story(&$crate::Scene::new($crate::Backend::Gcs));
                }
            }
        )+
    };
}

/// Makes a test of every story named on each of the backends that are asked over a network: S3, GCS.
#[macro_export]
macro_rules! on_every_server {
    ($($story:ident),+ $(,)?) => {
        $(
            mod $story {
                #[test]
                fn on_s3() {
                    super::$story(&$crate::Scene::new($crate::Backend::S3));
                }

                #[test]
                fn on_gcs() {
                    super::$story(&$crate::Scene::new($crate::Backend::Gcs));
                }
            }
        )+
    };
}
