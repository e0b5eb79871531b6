//! A BIND of the test's own that serves PX records, and what `lookup` learns from it; `dig` is the
//! witness of the octets.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use mixgate::lookup::Lookup;
use mixgate::lookup::dns::{Config, Dns};
use mixgate::mixer::address::mcgam::TableKind;
use mixgate::mixer::address::px::{self, Record};
use mixgate::mixer::outcome::{Answer, Question};
use tempfile::TempDir;

use crate::postfix::{command, free_port, wait_for};

/// How long a lookup may take.
const PATIENCE: Duration = Duration::from_secs(8);

pub fn trials() -> Vec<Trial> {
    let needs = &["named", "dig"];
    let trial = |name, test: fn() -> Result<(), Failed>| crate::trial(name, needs, test);
    vec![
        trial("rfc2163_bind_and_dig_read_what_we_write", witness),
        trial("rfc2163_5_mappings_are_found_in_the_name_system", found),
        trial("rfc2163_5_a_server_that_fails_leaves_questions_open", open),
        trial(
            "s4_2_1_what_was_answered_holds_while_it_may_and_then_the_server_is_asked_again",
            kept,
        ),
    ]
}

/// The lines of the printed examples, and such as make trouble; the TTL of a line is 300 unless it says so.
const ZONE: &str = "\
*.net2.it. IN PX 10 net2.it. PRMD-net2.ADMD-p400.C-it.
ab.net2.it. 60 IN PX 10 ab.net2.it. O-ab.PRMD-net2.ADMDb.C-it.
host.net2.it. IN MX 10 ns.example.
*.cce.deep.net2.it. IN PX 50 cce.deep.net2.it. O-cce.PRMD-net2.ADMD-p400.C-it.
*.mw. IN PX 50 mw. O-cce.PRMD-nrc.ADMD-acme.C-it.G.
*.choice.it. IN PX 20 choice.it. PRMD-second.ADMDb.C-it.
*.choice.it. IN PX 10 choice.it. PRMD-first.ADMDb.C-it.
*.broken.net2.it. IN PX 50 other.it. PRMD-net2.ADMD-p400.C-it.
alias.it. IN CNAME x.net2.it.
*.ADMD-pkz.X42D.de. IN PX 50 pkz.de. ADMD-pkz.C-de.
*.PRMD.ADMD-pkz.X42D.de. IN PX 50 omitted.pkz.de. PRMD.ADMD-pkz.C-de.
*.ADMD-PWT400.X42D.us. IN PX 50 intGw.com. ADMD-PWT400.C-us.G.
";

/// The root, so that whatever is asked has an answer; that there is nothing holds a second.
const ROOT: &str = "\
$TTL 300
. IN SOA ns.example. root.example. 1 3600 600 86400 1
. IN NS ns.example.
ns.example. IN A 127.0.0.1
";

/// A BIND that runs; it stops when it is dropped.
struct Bind {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Bind {
    fn start(zone: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let path = folder.path().display();
        let config = format!(
            "options {{ directory \"{path}\"; pid-file \"{path}/pid\"; session-keyfile none;\n\
             listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
             recursion no; dnssec-validation no; empty-zones-enable no; notify no; }};\n\
             controls {{ }};\n\
             zone \".\" {{ type primary; file \"root\"; }};\n\
             zone \"fails.it\" {{ type primary; file \"absent\"; }};\n"
        );
        fs::write(folder.path().join("conf"), config).unwrap();
        let root = format!("{ROOT}fails.it. IN NS ns.example.\n{zone}");
        fs::write(folder.path().join("root"), root).unwrap();
        let child = spawn(&folder, port);
        Self {
            folder,
            port,
            child,
        }
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again where it was, with another zone.
    fn restart(&mut self, zone: &str) {
        fs::write(self.folder.path().join("root"), format!("{ROOT}{zone}")).unwrap();
        self.child = spawn(&self.folder, self.port);
    }

    fn dig(&self, arguments: &[&str]) -> String {
        dig(self.port, arguments)
    }

    /// A client that asks it alone.
    fn lookup(&self) -> Lookup {
        let config = Config {
            servers: vec![SocketAddr::from(([127, 0, 0, 1], self.port))],
            timeout: 1,
            attempts: 1,
            ..Config::default()
        };
        Lookup::new(Dns::new(config).unwrap())
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(folder: &TempDir, port: u16) -> Child {
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let child = command("named")
        .args(["-g", "-n", "1", "-c"])
        .arg(folder.path().join("conf"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    wait_for("BIND to serve the root", || {
        dig(port, &["+short", "SOA", "."])
            .starts_with("ns.example.")
            .then_some(())
    });
    child
}

fn dig(port: u16, arguments: &[&str]) -> String {
    let port = port.to_string();
    let output = command("dig")
        .args(["@127.0.0.1", "-p", &port, "+time=1", "+tries=1"])
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn domain(text: &str) -> Question {
    Question::Domain(text.to_owned())
}

fn address(text: &str) -> Question {
    Question::Address(text.to_owned())
}

/// What was found first: the point, what it maps to, and where it stands.
fn first(answer: &Answer) -> (String, String, bool, String) {
    match answer {
        Answer::Found(matches) => {
            let found = &matches[0];
            let address = found.address.to_string();
            (
                found.domain.clone(),
                address,
                found.gateway,
                found.place.clone(),
            )
        }
        other => panic!("{other:?}"),
    }
}

fn witness() -> Result<(), Failed> {
    let mut zone = String::new();
    let mut written = Vec::new();
    for (kind, name, point) in [
        (TableKind::Table1, "ab.fr", "PRMD$ab.ADMD$ac.C$fr"),
        (TableKind::Table2, "ab.fr", "PRMD$ab.ADMD$ac.C$fr"),
        (TableKind::Gate1, "bd.it", r"PRMD$uk\.bd.ADMD$ .C$it"),
        (TableKind::Gate2, "gw.it", "O$(a)/b+c-.PRMD$@.ADMD$x y.C$it"),
    ] {
        let line = px::zone_line(kind, name, point.parse().unwrap())?;
        zone.push_str(&line);
        zone.push('\n');
        written.push(line);
    }
    let bind = Bind::start(&zone);
    for line in written {
        let (owner, rdata) = line.split_once(" IN PX ").unwrap();
        let record: Record = rdata.parse().unwrap();
        assert_eq!(bind.dig(&["+short", "PX", owner]).trim(), rdata);
        // `\# length hexadecimal …`
        let unknown = bind.dig(&["+short", "+unknownformat", "PX", owner]);
        let octets: String = unknown.split_whitespace().skip(2).collect();
        let ours = record.encode();
        let hex: String = ours.iter().map(|octet| format!("{octet:02X}")).collect();
        assert_eq!(octets, hex, "{line}");
    }
    Ok(())
}

fn found() -> Result<(), Failed> {
    let bind = Bind::start(ZONE);
    assert!(bind.dig(&["PX", "x.net2.it"]).contains("PRMD-net2"));
    assert!(bind.dig(&["PX", "net2.it"]).contains("ANSWER: 0"));
    let lookup = bind.lookup();
    let net2 = "PRMD$net2.ADMD$p400.C$it";
    let cases = [
        // A name of its own, which stands for no name below it.
        (
            domain("ab.net2.it"),
            "ab.net2.it",
            "O$ab.PRMD$net2.ADMD$ .C$it",
            false,
            "PX ab.net2.it TTL 60",
        ),
        (
            domain("x.ab.net2.it"),
            "net2.it",
            net2,
            false,
            "PX *.net2.it TTL 300",
        ),
        // A wildcard, made into the name by the server.
        (
            domain("X.net2.IT."),
            "net2.it",
            net2,
            false,
            "PX X.net2.IT TTL 300",
        ),
        // Wildcards that the name system does not take for these names: parent, existing name, its child.
        (
            domain("net2.it"),
            "net2.it",
            net2,
            false,
            "PX *.net2.it TTL 300",
        ),
        (
            domain("host.net2.it"),
            "net2.it",
            net2,
            false,
            "PX *.net2.it TTL 300",
        ),
        (
            domain("a.host.net2.it"),
            "net2.it",
            net2,
            false,
            "PX *.net2.it TTL 300",
        ),
        // A wildcard within another.
        (
            domain("sun.cce.deep.net2.it"),
            "cce.deep.net2.it",
            "O$cce.PRMD$net2.ADMD$p400.C$it",
            false,
            "PX sun.cce.deep.net2.it TTL 300",
        ),
        (
            domain("deep.net2.it"),
            "net2.it",
            net2,
            false,
            "PX *.net2.it TTL 300",
        ),
        (
            domain("un_fit.net2.it"),
            "net2.it",
            net2,
            false,
            "PX *.net2.it TTL 300",
        ),
        // A record about something else is passed over.
        (
            domain("a.broken.net2.it"),
            "net2.it",
            net2,
            false,
            "PX *.net2.it TTL 300",
        ),
        (
            domain("a.b.mw"),
            "mw",
            "O$cce.PRMD$nrc.ADMD$acme.C$it",
            true,
            "PX a.b.mw TTL 300",
        ),
        (
            domain("a.choice.it"),
            "choice.it",
            "PRMD$first.ADMD$ .C$it",
            false,
            "PX a.choice.it TTL 300",
        ),
        (
            address("O$top.PRMD$nfc.ADMD$pkz.C$de"),
            "pkz.de",
            "ADMD$pkz.C$de",
            false,
            "PX O-top.PRMD-nfc.ADMD-pkz.X42D.de TTL 300",
        ),
        (
            address("O$@.PRMD$@.ADMD$PKZ.C$DE"),
            "omitted.pkz.de",
            "PRMD$@.ADMD$pkz.C$de",
            false,
            "PX O.PRMD.ADMD-PKZ.X42D.de TTL 300",
        ),
        (
            address("ADMD$PWT400.C$US"),
            "intGw.com",
            "ADMD$PWT400.C$us",
            true,
            "PX *.ADMD-PWT400.X42D.us TTL 300",
        ),
    ];
    let nothing = [
        domain("nowhere.example"),
        domain("alias.it"),
        domain("[192.0.2.1]"),
        domain(""),
        address("PRMD$x.ADMD$other.C$de"),
        address("ADMD$other.C$208"),
        address("no address"),
    ];
    run(async {
        let questions = cases.iter().map(|(question, ..)| question);
        let questions = questions.chain(&nothing).cloned();
        let answers = lookup.answers(questions, PATIENCE).await;
        assert_eq!(answers.len(), cases.len() + nothing.len());
        for (question, domain, address, gateway, place) in &cases {
            let (found, point, is_gateway, where_) = first(&answers[question]);
            assert_eq!(
                (found.as_str(), point.as_str()),
                (*domain, *address),
                "{question:?}"
            );
            assert_eq!(
                (is_gateway, where_.as_str()),
                (*gateway, *place),
                "{question:?}"
            );
        }
        for question in &nothing {
            // An alias is followed, to a record that is about another point.
            assert_eq!(answers[question], Answer::Nothing, "{question:?}");
        }
        let Answer::Found(choice) = &answers[&domain("a.choice.it")] else {
            panic!("no choice");
        };
        assert_eq!(choice[1].address.to_string(), "PRMD$second.ADMD$ .C$it");
        // Asked one by one, what is known now says the same.
        for (question, ..) in &cases {
            assert_eq!(lookup.answer(question, PATIENCE).await, answers[question]);
        }
    });
    Ok(())
}

fn open() -> Result<(), Failed> {
    let bind = Bind::start(ZONE);
    let failure = bind.dig(&["PX", "x.fails.it"]);
    assert!(failure.contains("SERVFAIL"), "{failure}");
    let lookup = bind.lookup();
    run(async {
        // Whether there is something nearer is not known, so that the wildcards above do not count.
        for _ in 0..2 {
            let answer = lookup.answer(&domain("x.fails.it"), PATIENCE).await;
            let Answer::Unanswered(why) = answer else {
                panic!("{answer:?}");
            };
            assert!(why.starts_with("PX x.fails.it: "), "{why}");
        }
        let found = lookup.answer(&domain("x.net2.it"), PATIENCE).await;
        assert!(matches!(found, Answer::Found(_)));
        // No time is left: what is known is known, all else is not.
        let known = lookup.answer(&domain("x.net2.it"), Duration::ZERO).await;
        assert_eq!(known, found);
        let late = lookup.answer(&domain("y.net2.it"), Duration::ZERO).await;
        assert!(matches!(late, Answer::Unanswered(_)), "{late:?}");
    });
    Ok(())
}

fn kept() -> Result<(), Failed> {
    let line = |prmd| format!("*.short.it. 2 IN PX 50 short.it. PRMD-{prmd}.ADMDb.C-it.\n");
    let mut bind = Bind::start(&format!("{ZONE}{}", line("before")));
    let lookup = bind.lookup();
    let (short, long, other) = (domain("short.it"), domain("net2.it"), domain("choice.it"));
    let nothing = domain("new.example");
    let point = |answer: &Answer| first(answer).1;
    run(async {
        let ask = |question| lookup.answer(question, PATIENCE);
        assert_eq!(point(&ask(&long).await), "PRMD$net2.ADMD$p400.C$it");
        assert_eq!(ask(&nothing).await, Answer::Nothing);
        assert_eq!(point(&ask(&short).await), "PRMD$before.ADMD$ .C$it");
        bind.stop();
        // What was answered stands, what was not is open.
        assert_eq!(point(&ask(&short).await), "PRMD$before.ADMD$ .C$it");
        assert!(matches!(ask(&other).await, Answer::Unanswered(_)));
        // That there is no name `short.it` holds a second, its wildcard two.
        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert!(matches!(ask(&short).await, Answer::Unanswered(_)));
        assert!(matches!(ask(&nothing).await, Answer::Unanswered(_)));
        let new = "*.new.example. IN PX 50 new.example. PRMD-new.ADMDb.C-it.\n";
        bind.restart(&format!("{ZONE}{}{new}", line("after")));
        assert_eq!(point(&ask(&short).await), "PRMD$after.ADMD$ .C$it");
        assert_eq!(point(&ask(&other).await), "PRMD$first.ADMD$ .C$it");
        assert_eq!(point(&ask(&nothing).await), "PRMD$new.ADMD$ .C$it");
    });
    Ok(())
}
