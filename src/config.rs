//! The configuration: one TOML file, each room's own table, unknown keys refused.
//!
//! Faults are [`Problem`]s with file, line and column, so that a person finds them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::mixer::address::Attributes;
use crate::mixer::context::Gateway;
use crate::mixer::domain;
use crate::mixer::profile::Layer;
use crate::{queue, smtp, x400};

/// Where `serve` looks unless it is told.
pub const DEFAULT_PATH: &str = "/etc/mixgate/mixgate.toml";

/// The route of recipients that are reached over SMTP, as it stands in the queue.
pub const SMTP: &str = "smtp";
/// The route of recipients that cannot be reached: they fail, and are reported, at once.
pub const UNREACHABLE: &str = "unreachable";
/// The route of recipients of an envelope that cannot be read: they wait for an operator.
pub const QUARANTINE: &str = "quarantine";

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Who we are.
    pub gateway: Gateway,
    /// Where messages wait.
    pub queue: queue::Config,
    /// The Internet side.
    pub smtp: smtp::Config,
    /// The X.400 side.
    pub x400: x400::Config,
    /// How addresses and bodies are mapped.
    pub mapping: Mapping,
    /// What may go where.
    pub routing: Routing,
    /// How a running gateway is spoken to.
    pub control: Control,
}

/// Table `[mapping]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Mapping {
    /// Files of table 1, table 2, and the two tables of preferred gateways (RFC 2156 appendix F),
    /// known by their names: `table1`, `table2`, `gate1`, `gate2`, with any ending.
    pub tables: Vec<PathBuf>,
    /// What each X.400 neighbour can read otherwise than the profile its peer names, by the name of the
    /// peer.
    pub profile: BTreeMap<String, Layer>,
}

/// Table `[routing]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Routing {
    /// Whether mail that came over SMTP may leave over SMTP (from trusted clients only).
    pub smtp_to_smtp: bool,
    /// Whether what came from an X.400 neighbour may go to an X.400 neighbour.
    pub x400_to_x400: bool,
    /// Internet domains, each with all below it, that are reached through X.400: by the route of the
    /// O/R address that `table1`, else `gate1`, has for them (RFC 2156 section 4.3.4).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub islands: Vec<String>,
    /// Routes beside those that stand with each peer.
    #[serde(rename = "route", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
}

impl Routing {
    /// Whether `domain` is, or lies below, one that is reached through X.400.
    #[must_use]
    pub fn is_island(&self, domain: &str) -> bool {
        let mut upward = std::iter::successors(Some(domain), |domain| {
            domain.split_once('.').map(|(_, above)| above)
        });
        upward.any(|domain| {
            self.islands
                .iter()
                .any(|island| island.eq_ignore_ascii_case(domain))
        })
    }
}

/// One route: recipients whose address lies under `address` go to `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Route {
    /// The subtree of O/R addresses; `*` stands for any value, `AB*` for one that begins so.
    ///
    /// As everywhere, a country without an ADMD means the ADMD of one space (RFC 2156 section
    /// 4.1.3): a whole country is `/ADMD=*/C=GB/`.
    pub address: Attributes,
    /// The name of a peer, or `smtp`.
    pub to: String,
    /// Among routes that match equally well, the lower cost is tried first.
    #[serde(default)]
    pub cost: u32,
    /// The share of what goes this way, beside routes that match equally well at the same cost.
    #[serde(default = "one")]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

/// Table `[control]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Control {
    /// The socket on which commands reach a running gateway.
    pub socket: PathBuf,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: "/run/mixgate/control.sock".into(),
        }
    }
}

/// A fault of the configuration, or of a file it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line and column, from 1; `None` if the fault is the whole file's.
    pub place: Option<(usize, usize)>,
    /// The line.
    pub line: String,
    /// What is wrong.
    pub text: String,
}

impl Problem {
    /// A fault of the whole file.
    #[must_use]
    pub fn of_file(file: &Path, text: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            line: String::new(),
            text: text.into(),
        }
    }

    /// A fault at `offset` octets into `contents`.
    #[must_use]
    pub fn at(file: &Path, contents: &str, offset: usize, text: impl Into<String>) -> Self {
        let offset = contents.floor_char_boundary(offset.min(contents.len()));
        let (before, after) = contents.split_at_checked(offset).unwrap_or((contents, ""));
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let head = before.get(start..).unwrap_or_default();
        let line = format!("{head}{}", after.lines().next().unwrap_or_default());
        let number = before.matches('\n').count() + 1;
        let place = Some((number, head.chars().count() + 1));
        Self {
            file: file.to_owned(),
            place,
            line,
            text: text.into(),
        }
    }

    /// A fault of a line, counted from 1.
    #[must_use]
    pub fn on_line(file: &Path, contents: &str, line: usize, text: impl Into<String>) -> Self {
        let before = contents.split_inclusive('\n').take(line.saturating_sub(1));
        Self::at(file, contents, before.map(str::len).sum(), text)
    }

    /// A fault of a value that stands in `contents` as a quoted string.
    #[must_use]
    pub fn of_value(file: &Path, contents: &str, value: &str, text: impl Into<String>) -> Self {
        match contents.find(&format!("\"{value}\"")) {
            Some(offset) => Self::at(file, contents, offset, text),
            None => Self::of_file(file, text),
        }
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: text`, then the line and a caret below the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((line, column)) = self.place else {
            return write!(f, "{}: {}", self.file.display(), self.text);
        };
        let margin = line.to_string().len();
        writeln!(f, "{}:{line}:{column}: {}", self.file.display(), self.text)?;
        writeln!(f, "{line} | {}", self.line.replace('\t', " "))?;
        write!(f, "{:margin$} | {:>column$}", "", "^")
    }
}

impl Config {
    /// Reads a file; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// Every fault that reading alone can find.
    pub fn load(path: &Path) -> Result<(Self, String), Vec<Problem>> {
        let contents = fs::read_to_string(path)
            .map_err(|error| vec![Problem::of_file(path, error.to_string())])?;
        let config = Self::parse(path, &contents)?;
        Ok((config, contents))
    }

    /// Reads the contents of a file.
    ///
    /// # Errors
    /// Every fault that reading alone can find.
    pub fn parse(path: &Path, contents: &str) -> Result<Self, Vec<Problem>> {
        let mut config: Self = toml::from_str(contents).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            vec![Problem::at(path, contents, offset, error.message())]
        })?;
        config.resolve(path.parent().unwrap_or(Path::new("")));
        let problems = config.contradictions(path, contents);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }

    /// Makes relative paths relative to the folder of the file.
    fn resolve(&mut self, folder: &Path) {
        let passwords = self
            .x400
            .peer
            .iter_mut()
            .flat_map(|peer| [&mut peer.password_file, &mut peer.peer_password_file])
            .flatten();
        let tls = self.x400.tls.iter_mut();
        let certificates = tls.flat_map(|tls| {
            [&mut tls.certificate, &mut tls.key]
                .into_iter()
                .chain(&mut tls.authorities)
        });
        let strong = self.x400.strong.iter_mut();
        let certificates = certificates.chain(strong.flat_map(|strong| {
            [&mut strong.certificate, &mut strong.key]
                .into_iter()
                .chain(&mut strong.authorities)
        }));
        let paths = self.mapping.tables.iter_mut().chain(passwords);
        for path in paths.chain(certificates) {
            *path = folder.join(&*path);
        }
        let profiles = self.x400.peer.iter_mut().flat_map(|peer| &mut peer.profile);
        for file in profiles.filter(|name| name.ends_with(".toml")) {
            *file = folder.join(&*file).to_string_lossy().into_owned();
        }
    }

    /// What is allowed, and may not be meant: who may pass for whom on the X.400 side.
    #[must_use]
    pub fn warnings(&self, path: &Path, contents: &str) -> Vec<Problem> {
        let mut warnings = Vec::new();
        if self.x400.lenient {
            let text =
                "anyone who reaches the port may transfer messages; lenient is for test MTAs";
            let offset = contents.find("lenient").unwrap_or(0);
            warnings.push(Problem::at(path, contents, offset, text));
        }
        let mut offset = 0;
        let lines = contents.split_inclusive('\n').map(|line| {
            offset += line.len();
            (offset - line.len(), line)
        });
        let peers = lines.filter(|(_, line)| line.trim_start().starts_with("[[x400.peer]]"));
        let starts = peers.map(|(start, _)| start).chain(std::iter::repeat(0));
        for (peer, start) in self.x400.peer.iter().zip(starts) {
            let (name, mta) = (&peer.name, &peer.mta);
            let (key, text) = if peer.is_anyone() {
                let text = format!(
                    "whoever says the MTA name {mta:?} is taken for {name}, from any address: \
                     narrow accept-from, or set peer-password-file, tls or strong"
                );
                ("accept-from", text)
            } else if !peer.may_call() {
                let text = format!(
                    "calls of {name} are refused, for nothing tells that it is {name}: set mta, \
                     and peer-password-file, strong or accept-from"
                );
                ("name", text)
            } else if !peer.routes.is_empty() && !peer.takes() {
                let text = format!(
                    "what is routed to {name} stays here until it expires: set connect, or \
                     two-way-alternate if it proposes that when it calls"
                );
                ("routes", text)
            } else {
                continue;
            };
            let section = contents.get(start..).unwrap_or_default();
            let offset = start + section.find(key).unwrap_or(0);
            warnings.push(Problem::at(path, contents, offset, text));
        }
        warnings
    }

    /// What the types cannot say.
    fn contradictions(&self, path: &Path, contents: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut fault = |value: &str, text: String| {
            problems.push(Problem::of_value(path, contents, value, text));
        };
        if let Err(error) = self.smtp.check() {
            fault("", error.to_string());
        }
        for ours in self.gateway.global_domains() {
            if domain::of_address(ours).is_none() {
                let text = "a global domain identifier names a country".to_owned();
                fault(&ours.to_string(), text);
            }
        }
        let x400 = &self.x400;
        for (key, value) in [
            ("max-associations", x400.max_associations),
            (
                "max-connections-per-address",
                x400.max_connections_per_address,
            ),
            ("max-half-open", x400.max_half_open),
            ("open-timeout", seconds(x400.open_timeout)),
            ("transfer-timeout", seconds(x400.transfer_timeout)),
        ] {
            if value == 0 {
                fault("", format!("[x400] {key} must not be 0"));
            }
        }
        if let Some(Err(error)) = x400.tls.as_ref().map(x400::tls::Tls::new) {
            fault("", error.to_string());
        }
        if let Some(Err(error)) = x400.strong.as_ref().map(x400::strong::Strong::new) {
            fault("", error.to_string());
        }
        let mut names: Vec<&str> = Vec::new();
        for peer in &self.x400.peer {
            if peer.name.is_empty() {
                fault("", "a [[x400.peer]] has no name".to_owned());
            } else if RESERVED.contains(&peer.name.as_str()) {
                let name = &peer.name;
                fault(
                    name,
                    format!("a peer must not be called {name}, which names a route of its own"),
                );
            } else if names.contains(&peer.name.as_str()) {
                fault(
                    &peer.name,
                    format!("there are two peers called {}", peer.name),
                );
            }
            names.push(&peer.name);
            for address in &peer.connect {
                if !has_port(address) {
                    let text = format!("{address} names no port; that of X.400 is 102: host:102");
                    fault(address, text);
                }
            }
            if peer.s_selector.0.len() > LONGEST_S_SELECTOR {
                let text = "an s-selector has at most 16 octets (X.225 clause 8.3.1)";
                fault(&peer.name, format!("{}: {text}", peer.name));
            }
            for route in &peer.routes {
                if let Err(error) = route.parse::<Attributes>() {
                    fault(route, format!("this route is no O/R address: {error}"));
                }
            }
            if let Err(error) = peer.passwords() {
                fault(&peer.name, error.to_string());
            }
            let tls = peer.check_tls(x400.tls.as_ref());
            if let Err(error) = tls.and_then(|()| peer.check_strong(x400.strong.as_ref())) {
                fault(&peer.name, error.to_string());
            }
        }
        for route in &self.routing.routes {
            if route.to != SMTP && !names.contains(&route.to.as_str()) {
                fault(&route.to, format!("there is no peer called {}", route.to));
            }
        }
        for name in self
            .mapping
            .profile
            .keys()
            .filter(|name| !names.contains(&name.as_str()))
        {
            fault(name, format!("there is no peer called {name}"));
        }
        problems
    }
}

/// The names of routes that lead to no peer, so that no peer may have one of them.
pub(crate) const RESERVED: [&str; 3] = [SMTP, UNREACHABLE, QUARANTINE];
/// Octets of a session selector.
const LONGEST_S_SELECTOR: usize = 16;

/// A number of seconds, as far as it matters whether there are any.
fn seconds(seconds: u64) -> usize {
    usize::try_from(seconds).unwrap_or(usize::MAX)
}

/// Whether an address to call is complete: `host:102`, `192.0.2.1:102`, `[2001:db8::1]:102`.
fn has_port(address: &str) -> bool {
    let of_host = |(host, port): (&str, &str)| {
        !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok()
    };
    address.parse::<SocketAddr>().is_ok() || address.rsplit_once(':').is_some_and(of_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(contents: &str) -> String {
        let problems = Config::parse(Path::new("m.toml"), contents).unwrap_err();
        problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect()
    }

    #[test]
    fn the_readme_configuration_is_read() {
        let readme = include_str!("../README.md");
        let block = readme
            .split("```toml\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        let block: String = block
            .lines()
            .filter(|line| !line.contains("password-file"))
            .map(|l| format!("{l}\n"))
            .collect();
        let config = Config::parse(Path::new("m.toml"), &block).unwrap();
        assert_eq!(config.x400.peer[0].name, "hub");
        let shown = toml::to_string(&config).unwrap();
        assert_eq!(Config::parse(Path::new("m.toml"), &shown).unwrap(), config);
    }

    #[test]
    fn an_unknown_key_is_shown_where_it_stands() {
        let shown = problems("[gateway]\nname = \"a.example\"\nmat = \"GW\"\n");
        assert!(
            shown.starts_with("m.toml:3:1: unknown field `mat`"),
            "{shown}"
        );
        assert!(shown.contains("3 | mat = \"GW\"\n  | ^\n"), "{shown}");
    }

    #[test]
    fn a_value_that_is_no_address_is_shown_where_it_stands() {
        let shown = problems("[[x400.peer]]\nname = \"hub\"\nroutes = [\"/ZZ=1/\"]\n");
        assert!(
            shown.starts_with("m.toml:3:11: this route is no O/R address"),
            "{shown}"
        );
    }

    #[test]
    fn a_peer_whom_anyone_may_be_is_shown_where_it_stands() {
        let shown = |contents: &str| -> Vec<String> {
            let path = Path::new("m.toml");
            let warnings = Config::parse(path, contents)
                .unwrap()
                .warnings(path, contents);
            let lines = warnings.iter().map(Problem::to_string);
            lines
                .map(|line| line.split(", ").next().unwrap().to_owned())
                .collect()
        };
        let peer = "[[x400.peer]]\nname = \"a\"\nmta = \"A\"\nconnect = [\"192.0.2.1:102\"]\n";
        assert!(shown(peer).is_empty());
        let open = "[[x400.peer]]\nname = \"b\"\nmta = \"B\"\naccept-from = [\"::/0\"]\n";
        assert_eq!(
            shown(&format!("{peer}{open}")),
            ["m.toml:8:1: whoever says the MTA name \"B\" is taken for b"]
        );
        let unknown = "[[x400.peer]]\nname = \"c\"\nmta = \"C\"\nconnect = [\"c.example:102\"]\n";
        assert_eq!(shown(unknown), ["m.toml:2:1: calls of c are refused"]);
        let only_calls = format!(
            "{}routes = [\"/C=GB/\"]\n",
            open.replace("::/0", "192.0.2.1")
        );
        assert_eq!(
            shown(&only_calls),
            ["m.toml:5:1: what is routed to b stays here until it expires: set connect"]
        );
        assert!(shown(&format!("{only_calls}two-way-alternate = true\n")).is_empty());
        let lenient = "[x400]\nlenient = true\n";
        assert!(shown(lenient)[0].starts_with("m.toml:2:1: anyone"));
    }

    #[test]
    fn names_must_fit_together() {
        assert!(
            problems("[[x400.peer]]\nname = \"a\"\n[[x400.peer]]\nname = \"a\"\n")
                .contains("two peers")
        );
        assert!(problems("[x400]\nmax-half-open = 0\n").contains("max-half-open must not be 0"));
        let nowhere = problems("[gateway]\nother-global-domains = [\"/ADMD=HUB/\"]\n");
        assert!(nowhere.contains("names a country"), "{nowhere}");
        assert!(
            problems("[[routing.route]]\naddress = \"/C=GB/\"\nto = \"hub\"\n")
                .contains("no peer called hub")
        );
        assert!(
            problems("[mapping.profile.hub]\ncontent = \"p2\"\n").contains("no peer called hub")
        );
        assert!(
            problems("[[x400.peer]]\nname = \"a\"\npassword-file = \"/none\"\n").contains("/none")
        );
        assert!(problems("[[x400.peer]]\nname = \"quarantine\"\n").contains("must not be called"));
    }

    #[test]
    fn what_cannot_work_is_refused_before_it_fails() {
        let peer = |key: &str| format!("[[x400.peer]]\nname = \"a\"\n{key}\n");
        for address in ["hub.example.org", "2001:db8::1", "2001:db8::1:102x", ":102"] {
            let shown = problems(&peer(&format!("connect = [\"{address}\"]")));
            assert!(shown.contains("names no port"), "{shown}");
        }
        for address in ["hub:102", "192.0.2.1:102", "[2001:db8::1]:102"] {
            let contents = peer(&format!("connect = [\"{address}\"]"));
            assert!(Config::parse(Path::new("m.toml"), &contents).is_ok());
        }
        let long = peer("s-selector = \"seventeen-letters\"");
        assert!(problems(&long).contains("16 octets"));
        assert!(problems("[x400]\nopen-timeout = 0\n").contains("open-timeout must not be 0"));
    }
}
