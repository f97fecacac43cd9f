//! The asking end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::{Answer, LINE_BYTES_MAX, LINE_WAIT, PROTOCOL, Reply, Request, Verb, line};
use crate::clock::Clock;
use crate::error::{Failure, Kind};
use crate::mounting::relayed::Relayed;

/// A question that got no answer, or a failure for an answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum ControlError {
    #[error("the process that serves this cache does not answer at `{}`", .socket.display())]
    Silent { socket: PathBuf, source: std::io::Error },
    #[error("the process that serves this cache has not finished within {} s", .waited.as_secs())]
    Late { waited: Duration },
    #[error("the process that serves this cache speaks another protocol")]
    Foreign { source: std::io::Error },
    #[error(transparent)]
    Answered(#[from] Relayed),
}

impl Failure for ControlError {
    fn kind(&self) -> Kind {
        match self {
            Self::Silent { .. } | Self::Late { .. } => Kind::Unavailable,
            Self::Foreign { .. } => Kind::Conflict,
            Self::Answered(relayed) => relayed.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Silent { .. } => Some("`swamp unmount` ends it, or end the process; nothing is lost".to_owned()),
            Self::Late { .. } => {
                Some("it goes on, and nothing is lost: `.swamp/errors` in the mount tells what it waits for".to_owned())
            }
            Self::Foreign { .. } => Some("unmount and mount again with this build of swamp".to_owned()),
            Self::Answered(relayed) => relayed.hint(),
        }
    }
}

/// Asks the process that listens at `socket`; waits for its answer for at most `patience`.
pub async fn ask(clock: &dyn Clock, socket: &Path, verb: Verb, patience: Duration) -> Result<Answer, ControlError> {
    let silent = |source| ControlError::Silent { socket: socket.to_owned(), source };
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await.map_err(silent)?;
        stream.write_all(&line(&Request { protocol: PROTOCOL, ask: verb })).await.map_err(silent)?;
        let mut text = Vec::new();
        let mut lines = BufReader::new(stream.take(LINE_BYTES_MAX));
        lines.read_until(b'\n', &mut text).await.map_err(silent)?;
        if text.is_empty() {
            return Err(silent(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let foreign = |error: serde_json::Error| ControlError::Foreign { source: error.into() };
        let reply: Reply = serde_json::from_slice(&text).map_err(foreign)?;
        if reply.protocol != PROTOCOL {
            let source = std::io::Error::other(format!("it speaks version {}, we {PROTOCOL}", reply.protocol));
            return Err(ControlError::Foreign { source });
        }
        Ok(reply.answer?)
    };
    let patience = patience + LINE_WAIT;
    tokio::select! {
        answer = exchange => answer,
        () = clock.sleep(patience) => Err(ControlError::Late { waited: patience }),
    }
}
