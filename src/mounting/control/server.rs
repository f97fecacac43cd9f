//! The answering end.

use std::rc::Rc;
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{Answer, LINE_BYTES_MAX, LINE_WAIT, PROTOCOL, Reply, Request, Verb, line};
use crate::clock::Clock;
use crate::error::Kind;
use crate::mounting::relayed::Relayed;

/// How many commands are served at a time; more wait to be let in.
const CONNECTIONS_MAX: usize = 32;

/// Answers everybody who connects until `stop`; who is being answered then is answered to the end.
pub(in crate::mounting) async fn serve<A>(
    listener: UnixListener,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    answer: impl Fn(Verb) -> A,
) where
    A: Future<Output = Result<Answer, Relayed>>,
{
    let answer = Rc::new(answer);
    let mut served = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if served.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => served.push(connection(stream, Arc::clone(&clock), Rc::clone(&answer))),
                Err(error) => {
                    debug!(%error, "nobody let in");
                    clock.sleep(LINE_WAIT / 50).await;
                }
            },
            Some(()) = served.next() => {}
            () = stop.cancelled() => break,
        }
    }
    let rest = async { while served.next().await.is_some() {} };
    tokio::select! {
        () = rest => {}
        () = clock.sleep(LINE_WAIT) => {}
    }
}

async fn connection<A>(stream: UnixStream, clock: Arc<dyn Clock>, answer: Rc<impl Fn(Verb) -> A>)
where
    A: Future<Output = Result<Answer, Relayed>>,
{
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader.take(LINE_BYTES_MAX));
    let mut text = Vec::new();
    let asked = tokio::select! {
        read = lines.read_until(b'\n', &mut text) => read,
        () = clock.sleep(LINE_WAIT) => return,
    };
    if asked.is_err() || text.is_empty() {
        return;
    }
    let answer = match serde_json::from_slice::<Request>(&text) {
        Ok(request) if request.protocol == PROTOCOL => {
            // Whoever asked and went away no longer waits for the answer; what was begun goes on.
            let mut rest = [0];
            tokio::select! {
                answer = answer(request.ask) => answer,
                _ = lines.read(&mut rest) => return,
            }
        }
        Ok(request) => Err(foreign(&format!("version {} of the protocol", request.protocol))),
        Err(_) => Err(foreign("this question")),
    };
    let reply = line(&Reply { protocol: PROTOCOL, answer });
    tokio::select! {
        // Nobody is there to hear of a failure.
        _ = writer.write_all(&reply) => {}
        () = clock.sleep(LINE_WAIT) => {}
    }
}

fn foreign(what: &str) -> Relayed {
    Relayed::new(Kind::Conflict, format!("the process that serves this cache does not know {what}"))
}
