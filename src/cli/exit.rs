//! How a command ends: its error on standard error, and the exit code of `sysexits.h`.

use std::io::Write as _;
use std::process::ExitCode;

/// What went wrong, by the exit code it has.
#[derive(Debug)]
pub enum Failure {
    /// 64: the command was called wrongly.
    Usage(String),
    /// 65: the input is not what it should be.
    Data(String),
    /// 66: the input cannot be opened.
    NoInput(String),
    /// 69: something that is needed is not there.
    Unavailable(String),
    /// 70: a fault of our own.
    Internal(String),
    /// 73: a file cannot be made.
    CannotCreate(String),
    /// 74: reading or writing failed.
    Io(String),
    /// 75: it may work later.
    TryAgain(String),
    /// 77: not permitted.
    Permission(String),
    /// 78: the configuration is wrong.
    Config(String),
}

/// What every command returns.
pub type Outcome = Result<(), Failure>;

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::Data(_) => 65,
            Self::NoInput(_) => 66,
            Self::Unavailable(_) => 69,
            Self::Internal(_) => 70,
            Self::CannotCreate(_) => 73,
            Self::Io(_) => 74,
            Self::TryAgain(_) => 75,
            Self::Permission(_) => 77,
            Self::Config(_) => 78,
        }
    }

    fn text(&mut self) -> &mut String {
        match self {
            Self::Usage(text)
            | Self::Data(text)
            | Self::NoInput(text)
            | Self::Unavailable(text)
            | Self::Internal(text)
            | Self::CannotCreate(text)
            | Self::Io(text)
            | Self::TryAgain(text)
            | Self::Permission(text)
            | Self::Config(text) => text,
        }
    }

    /// The same failure, said of one input among others: on one line, whatever a stranger put in it.
    #[must_use]
    pub fn of(mut self, input: &str) -> Self {
        let text = self.text();
        *text = one_line(&format!("{input}: {text}"));
        self
    }

    /// Says it on standard error; nothing is left to be done when that is closed.
    pub fn say(&mut self) {
        let _ = writeln!(std::io::stderr(), "mixgate: {}", self.text());
    }

    /// A failure of the same kind with other words.
    #[must_use]
    pub fn saying(mut self, text: String) -> Self {
        *self.text() = text;
        self
    }
}

/// Text with its control characters escaped.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Self::Permission(error.to_string()),
            std::io::ErrorKind::BrokenPipe => Self::Io("the reader of the output went away".into()),
            _ => Self::Io(error.to_string()),
        }
    }
}

/// Says what clap found wrong (or the help it was asked for).
pub fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to be done when standard error is closed.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(64)
    } else {
        ExitCode::SUCCESS
    }
}

/// Says what failed and gives the exit code.
pub fn code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(mut failure) => {
            failure.say();
            ExitCode::from(failure.code())
        }
    }
}
