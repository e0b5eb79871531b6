//! The control socket: how commands speak to the running gateway.
//!
//! A Unix socket that only its owner and root may use (file mode and peer credentials). A request
//! is one line of JSON, its answer another: `{"answer":…}`, or `{"refused":"why"}` when the
//! line was no request. What the requests mean is the business of the [`Handler`].

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Octets of a request at most.
const LONGEST_REQUEST: u64 = 1024 * 1024;
/// Octets of an answer at most.
const LONGEST_ANSWER: u64 = 256 * 1024 * 1024;
/// Connections at a time; the next ones wait.
const CONNECTIONS: usize = 16;
/// How long a connection may be idle, or its peer slow to read.
const IDLE: Duration = Duration::from_secs(60);
/// How long requests in work may still take when the gateway stops.
const GRACE: Duration = Duration::from_secs(5);

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// What is asked.
    type Request: DeserializeOwned + Send;
    /// What is answered.
    type Response: Serialize + Send;

    /// Does what is asked.
    fn handle(&self, request: Self::Request) -> impl Future<Output = Self::Response> + Send;
}

/// An answer on the wire.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply<T> {
    Answer(T),
    Refused(String),
}

/// Why a call had no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No gateway listens there.
    #[error("no gateway is running: nobody listens at {}", .0.display())]
    NotRunning(PathBuf),
    /// The socket is not ours to use, or failed.
    #[error("the control socket failed: {0}")]
    Io(#[from] io::Error),
    /// The other side closed the connection before it answered.
    #[error("the control socket was closed before an answer came")]
    Closed,
    /// The other side sent what is no line of this protocol.
    #[error("the control socket carries something else: {0}")]
    Malformed(String),
    /// The gateway did not understand the request: another version, perhaps.
    #[error("the gateway refused the request: {0}")]
    Refused(String),
}

/// Reads a line of at most `longest` octets, its end left off; nothing at the end of the stream.
async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    longest: u64,
) -> Result<Option<Vec<u8>>, ControlError> {
    let mut line = Vec::new();
    reader
        .take(longest + 1)
        .read_until(b'\n', &mut line)
        .await?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 >= longest => Err(ControlError::Malformed(format!(
            "a line longer than {longest} octets"
        ))),
        Some(_) => Err(ControlError::Closed),
    }
}

fn write_line(message: &impl Serialize) -> Result<Vec<u8>, ControlError> {
    let mut line =
        serde_json::to_vec(message).map_err(|error| ControlError::Malformed(error.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

/// The listening socket; its file goes when this goes.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Control {
    /// Listens at `path`. A socket nobody listens at any more is replaced.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] when somebody listens there.
    pub async fn bind(path: &Path) -> io::Result<Self> {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("another gateway listens at {}", path.display()),
            ));
        }
        // Under another name until nobody else may open it.
        let early = path.with_added_extension(format!("{}", std::process::id()));
        match fs::remove_file(&early) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&early)?;
        fs::set_permissions(&early, fs::Permissions::from_mode(0o600))?;
        let owner = fs::metadata(&early)?.uid();
        fs::rename(&early, path)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            owner,
        })
    }

    /// Serves until `stop`; what is in work then is given five seconds.
    pub async fn serve<H: Handler>(&self, handler: Arc<H>, stop: impl Future<Output = ()>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut talks = JoinSet::new();
        let (stopping, stopped) = watch::channel(());
        tokio::pin!(stop);
        loop {
            let next = async {
                let seat = Arc::clone(&room).acquire_owned().await;
                (seat, self.listener.accept().await)
            };
            let (seat, accepted) = tokio::select! {
                () = &mut stop => break,
                next = next => next,
            };
            while talks.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) if self.may_speak(&stream) => {
                    let (handler, stopped) = (Arc::clone(&handler), stopped.clone());
                    talks.spawn(async move {
                        let _seat = seat;
                        if let Err(error) = talk(stream, handler.as_ref(), stopped).await {
                            tracing::debug!(%error, "a control connection ended early");
                        }
                    });
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the control socket could not accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        drop(stopping);
        let rest = async { while talks.join_next().await.is_some() {} };
        let _ = timeout(GRACE, rest).await;
    }

    /// Whether the process at the other end is of our owner, or of root.
    fn may_speak(&self, stream: &UnixStream) -> bool {
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == self.owner || peer.uid() == 0 => true,
            Ok(peer) => {
                tracing::warn!(
                    uid = peer.uid(),
                    pid = peer.pid(),
                    "a stranger at the control socket"
                );
                false
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket does not say who calls");
                false
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// One connection: requests and answers in turn until it ends, idles too long, or the server stops.
async fn talk<H: Handler>(
    stream: UnixStream,
    handler: &H,
    mut stopped: watch::Receiver<()>,
) -> Result<(), ControlError> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let line = tokio::select! {
            line = timeout(IDLE, read_line(&mut reader, LONGEST_REQUEST)) => line,
            _ = stopped.changed() => return Ok(()),
        };
        let line = match line {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(error)) => {
                // What follows is in the middle of a line: tell why, and end.
                send(&mut writer, refusal(&error)?).await?;
                return Err(error);
            }
        };
        let line = match serde_json::from_slice(&line) {
            Ok(request) => write_line(&Reply::Answer(handler.handle(request).await))?,
            Err(error) => refusal(&error)?,
        };
        send(&mut writer, line).await?;
    }
}

fn refusal(why: &impl ToString) -> Result<Vec<u8>, ControlError> {
    write_line(&Reply::<()>::Refused(why.to_string()))
}

async fn send(writer: &mut OwnedWriteHalf, line: Vec<u8>) -> Result<(), ControlError> {
    timeout(IDLE, writer.write_all(&line))
        .await
        .map_err(|_| ControlError::Closed)??;
    Ok(())
}

/// A connection to the running gateway.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`ControlError::NotRunning`] when nobody listens; [`ControlError::Io`] when we may not.
    pub async fn connect(path: &Path) -> Result<Self, ControlError> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ControlError::NotRunning(path.to_owned())
                }
                _ => error.into(),
            })?;
        let (reader, writer) = stream.into_split();
        Ok(Self {
            reader: BufReader::new(reader),
            writer,
        })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`ControlError`]; the connection is of no use after any but [`ControlError::Refused`].
    pub async fn call<Q: Serialize, A: DeserializeOwned>(
        &mut self,
        request: &Q,
    ) -> Result<A, ControlError> {
        let line = write_line(request)?;
        if line.len() as u64 > LONGEST_REQUEST {
            return Err(ControlError::Refused(format!(
                "a request of {} octets is longer than {LONGEST_REQUEST}",
                line.len()
            )));
        }
        self.writer.write_all(&line).await?;
        let line = read_line(&mut self.reader, LONGEST_ANSWER)
            .await?
            .ok_or(ControlError::Closed)?;
        match serde_json::from_slice(&line) {
            Ok(Reply::Answer(answer)) => Ok(answer),
            Ok(Reply::Refused(why)) => Err(ControlError::Refused(why)),
            Err(error) => Err(ControlError::Malformed(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    enum Ask {
        Twice(String),
        Long(usize),
        Slow(u64),
    }

    struct Echo;

    impl Handler for Echo {
        type Request = Ask;
        type Response = String;

        async fn handle(&self, request: Ask) -> String {
            match request {
                Ask::Twice(text) => text.repeat(2),
                Ask::Long(size) => "x".repeat(size),
                Ask::Slow(millis) => {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    "done".to_owned()
                }
            }
        }
    }

    struct Running {
        folder: tempfile::TempDir,
        stop: oneshot::Sender<()>,
        served: tokio::task::JoinHandle<()>,
    }

    impl Running {
        async fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let control = Control::bind(&folder.path().join("control.sock"))
                .await
                .unwrap();
            let (stop, stopped) = oneshot::channel::<()>();
            let served = tokio::spawn(async move {
                let stop = async { drop(stopped.await) };
                control.serve(Arc::new(Echo), stop).await;
            });
            Self {
                folder,
                stop,
                served,
            }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("control.sock")
        }
    }

    #[tokio::test]
    async fn requests_are_answered_in_turn() {
        let gateway = Running::start().await;
        let mut client = Client::connect(&gateway.path()).await.unwrap();
        for text in ["a", "zwei\nZeilen", ""] {
            let answer: String = client.call(&Ask::Twice(text.to_owned())).await.unwrap();
            assert_eq!(answer, text.repeat(2));
        }
        let long: String = client.call(&Ask::Long(5_000_000)).await.unwrap();
        assert_eq!(long.len(), 5_000_000);
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_and_costs_only_itself() {
        let gateway = Running::start().await;
        let mut client = Client::connect(&gateway.path()).await.unwrap();
        for bad in [serde_json::json!({"thrice": "x"}), serde_json::json!(7)] {
            let refused = client.call::<_, String>(&bad).await;
            assert!(
                matches!(refused, Err(ControlError::Refused(_))),
                "{refused:?}"
            );
        }
        let answer: String = client.call(&Ask::Twice("a".to_owned())).await.unwrap();
        assert_eq!(answer, "aa");
        // One that is too long is told so by the client, and by the server to other clients.
        let long = Ask::Twice("x".repeat(2_000_000));
        assert!(matches!(
            client.call::<_, String>(&long).await,
            Err(ControlError::Refused(_))
        ));
        let mut raw = UnixStream::connect(gateway.path()).await.unwrap();
        let _ = raw.write_all(&vec![b'x'; 1_048_577]).await;
        let mut answer = String::new();
        raw.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("{\"refused\":") && answer.contains("longer"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn only_the_owner_may_open_it_and_one_may_listen() {
        let gateway = Running::start().await;
        let mode = fs::metadata(gateway.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = Control::bind(&gateway.path()).await;
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let mut client = Client::connect(&gateway.path()).await.unwrap();
        assert_eq!(
            client
                .call::<_, String>(&Ask::Twice("a".to_owned()))
                .await
                .unwrap(),
            "aa"
        );
    }

    #[tokio::test]
    async fn a_stranger_is_not_heard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let mut control = Control::bind(&path).await.unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let ours = client.peer_cred().unwrap().uid();
        let (server, _) = control.listener.accept().await.unwrap();
        assert!(control.may_speak(&server));
        control.owner = ours.wrapping_add(1);
        assert_eq!(control.may_speak(&server), ours == 0);
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_none_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        let nobody = Client::connect(&path).await;
        assert!(matches!(nobody, Err(ControlError::NotRunning(_))));
        drop(Control::bind(&path).await.unwrap());
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
        assert!(matches!(
            Client::connect(&path).await,
            Err(ControlError::NotRunning(_))
        ));
    }

    #[tokio::test]
    async fn what_is_in_work_when_it_stops_is_answered() {
        let gateway = Running::start().await;
        let mut client = Client::connect(&gateway.path()).await.unwrap();
        assert_eq!(
            client.call::<_, String>(&Ask::Slow(0)).await.unwrap(),
            "done"
        );
        let asked =
            tokio::spawn(async move { (client.call::<_, String>(&Ask::Slow(300)).await, client) });
        let idle = Client::connect(&gateway.path()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        gateway.stop.send(()).unwrap();
        let (answer, still_open) = asked.await.unwrap();
        assert_eq!(answer.unwrap(), "done");
        // Nobody who only holds a connection open delays the end.
        timeout(GRACE / 2, gateway.served).await.unwrap().unwrap();
        drop((idle, still_open));
        assert!(gateway.folder.path().read_dir().unwrap().next().is_none());
    }

    #[tokio::test]
    async fn many_may_call_at_once() {
        let gateway = Running::start().await;
        let calls: Vec<_> = (0..40)
            .map(|n| {
                let path = gateway.path();
                tokio::spawn(async move {
                    let mut client = Client::connect(&path).await.unwrap();
                    client
                        .call::<_, String>(&Ask::Twice(format!("{n}")))
                        .await
                        .unwrap()
                })
            })
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), format!("{n}{n}"));
        }
    }
}
