//! Length and SHA-256 of content.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::FileError;

/// The length and SHA-256 of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digested {
    /// Length in bytes.
    pub size: u64,
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
}

/// Returns length and SHA-256 of a file, read in pieces.
pub fn digest_file(path: &Path) -> Result<Digested, FileError> {
    digest_beginning(path, u64::MAX)
}

/// Returns length and SHA-256 of at most the first `bytes_max` bytes of a file, read in pieces.
pub fn digest_beginning(path: &Path, bytes_max: u64) -> Result<Digested, FileError> {
    let mut file = File::open(path).map_err(FileError::at("read", path))?.take(bytes_max);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let length = file.read(&mut buffer).map_err(FileError::at("read", path))?;
        if length == 0 {
            return Ok(Digested { size, sha256: hex::encode(hasher.finalize()) });
        }
        size += length as u64;
        hasher.update(buffer.get(..length).unwrap_or_default());
    }
}

/// Returns length and SHA-256 of bytes in memory.
pub fn digest_bytes(bytes: &[u8]) -> Digested {
    Digested { size: bytes.len() as u64, sha256: hex::encode(Sha256::digest(bytes)) }
}
