//! tshark, the witness of what was on the wire: captures a connection, then says what it reads there.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use libtest_mimic::Failed;

use super::postfix::{PATIENCE, command, wait_for};

/// What tshark calls a fault, or shows without knowing what it is. Most of what it finds wrong with
/// an encoding is a warning to it, and begins with BER.
const FAULTS: [&str; 3] = [
    "_ws.malformed || _ws.expert.severity == error",
    "_ws.expert.message contains \"BER Error\"",
    "p1.unknown.standard_extension || p1.unknown.extension_attribute_type \
     || p1.unknown.built_in_content_type || p1.unknown.tokendata_type \
     || rtse.unknown_rtse_pdu || ber.unknown_data",
];

/// What tshark 4.0 says of each transfer in X.410 mode, also of those of the systems in our captures.
const NOT_READ_IN_X410: &str = "Internal error:can't get spdu type from session dissector";

/// How tshark shows that an extension is one of MIXER's own (RFC 2156, RFC 2157).
const MIXER_EXTENSION: &str = "type: 1.3.6.1.7.1.";

/// A tshark that captures; it stops when it is dropped.
pub struct Capture {
    child: Child,
    file: PathBuf,
    port: u16,
}

impl Capture {
    /// Starts it for one port of loopback, and waits until it captures.
    pub fn start(file: &Path, port: u16) -> std::io::Result<Self> {
        let mut child = command("tshark")
            .args(["-i", "lo", "-B", "32"])
            .args(["-f", &format!("tcp port {port}"), "-w"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let (told, tell) = mpsc::channel();
        // Its further words are of no interest, but the pipe must not fill up.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("Capture started") {
                    let _ = told.send(());
                }
            }
        });
        let capture = Self {
            child,
            file: file.to_owned(),
            port,
        };
        let begun = tell.recv_timeout(PATIENCE);
        assert!(
            begun.is_ok(),
            "tshark does not capture; it needs the right to"
        );
        Ok(capture)
    }

    /// Stops it once the ends of so many connections are in the file.
    pub fn stop(mut self, connections: usize) -> Captured {
        let captured = Captured {
            file: self.file.clone(),
            port: self.port,
        };
        wait_for("the capture", || {
            // A file that is being written may end within a packet.
            let ends = captured.try_read(&["-Y", "tcp.flags.fin == 1 || tcp.flags.reset == 1"]);
            let ends = ends.ok()?;
            (ends.len() >= connections).then_some(())
        });
        let interrupt = command("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(interrupt.is_ok_and(|status| status.success()));
        let _ = self.child.wait();
        captured
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Already gone if the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was captured.
pub struct Captured {
    file: PathBuf,
    port: u16,
}

impl Captured {
    /// The frames that match a filter, a line each.
    pub fn frames(&self, filter: &str) -> Vec<String> {
        self.read(&["-Y", filter])
    }

    /// All values of a field in the frames that match a filter, also where a frame has several.
    pub fn values(&self, filter: &str, field: &str) -> Vec<String> {
        let mut arguments = vec!["-Y", filter, "-T", "fields", "-e", field];
        arguments.extend(["-E", "occurrence=a", "-E", "aggregator=|"]);
        let lines = self.read(&arguments);
        let values = lines.iter().flat_map(|line| line.split('|'));
        let values = values.filter(|value| !value.is_empty());
        values.map(str::to_owned).collect()
    }

    /// That each of `messages` and no other was dissected as P1 with P22 in it, and nothing else
    /// but the binds of the associations; that all there is was dissected, and nothing was wrong.
    pub fn shows(&self, messages: usize, associations: usize) -> Result<(), Failed> {
        for (filter, expected) in [
            // Binds are P1 as well, within ACSE.
            ("p1 && !acse", messages),
            ("p1.message_element", messages),
            ("p22", messages),
            ("p1 && acse", 2 * associations),
        ] {
            let found = self.frames(filter);
            if found.len() != expected {
                return Err(format!(
                    "{filter}: {} frames, not {expected}: {found:#?}",
                    found.len()
                )
                .into());
            }
        }
        for filter in FAULTS {
            let found = self.frames(filter);
            if !found.is_empty() {
                return Err(format!("{filter}: {found:#?}").into());
            }
        }
        // It knows none of the extensions of RFC 2156 and RFC 2157, and must know all others.
        let details = self.read(&["-Y", "p1", "-V"]);
        let mut last = "";
        for line in details.iter().map(|line| line.trim()) {
            if line.starts_with("BER: Dissector for") && !last.starts_with(MIXER_EXTENSION) {
                return Err(format!("not dissected: {last}").into());
            }
            last = line;
        }
        Ok(())
    }

    /// That the binds of so many associations in X.410 mode were dissected as P1, and that nothing
    /// was wrong but what tshark finds wrong with everybody's transfers in that mode.
    pub fn shows_x410(&self, associations: usize) -> Result<(), Failed> {
        let binds = self.frames("p1.MTABindArgument || p1.MTABindResult");
        let connects = self.values("pres.cptype", "pres.mode_value");
        if (binds.len(), connects.len()) != (2 * associations, associations)
            || connects.iter().any(|mode| mode != "0")
        {
            return Err(format!("{binds:#?}, modes {connects:?}").into());
        }
        let faults = FAULTS.map(|fault| format!("({fault})")).join(" || ");
        for message in self.values(&faults, "_ws.expert.message") {
            if message != NOT_READ_IN_X410 {
                return Err(message.into());
            }
        }
        Ok(())
    }

    fn read(&self, arguments: &[&str]) -> Vec<String> {
        self.try_read(arguments)
            .unwrap_or_else(|said| panic!("{said}"))
    }

    /// The lines tshark writes, or what it complains of.
    fn try_read(&self, arguments: &[&str]) -> Result<Vec<String>, String> {
        let output = command("tshark")
            .arg("-r")
            .arg(&self.file)
            .args(["-d", &format!("tcp.port=={},tpkt", self.port)])
            .args(arguments)
            .output()
            .expect("tshark runs");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let output = String::from_utf8_lossy(&output.stdout);
        Ok(output.lines().map(str::to_owned).collect())
    }
}
