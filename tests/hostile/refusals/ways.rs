//! Every way in which a peer can refuse, or fail, a call: what it answers, in octets.

use mixgate::x400::config::Mode;

/// What a liar does once it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Waits until the caller hangs up.
    Waits,
    /// Hangs up.
    HangsUp,
}

/// One way.
#[derive(Debug, Clone)]
pub struct Way {
    /// As `docs/x400.md` calls it.
    pub key: String,
    pub mode: Mode,
    pub over_tls: bool,
    /// An answer to each thing the caller says; the first octets of each: `packet` for a TPDU.
    pub answers: Vec<Answer>,
    pub then: Then,
}

/// What a liar answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// As it is.
    Raw(String),
    /// A TPDU in its packet.
    Tpdu(String),
    /// A TSDU in one DT TPDU.
    Tsdu(String),
}
use Answer::{Raw, Tpdu, Tsdu};

impl Way {
    fn new(key: impl Into<String>, answers: impl Into<Vec<Answer>>) -> Self {
        Self {
            key: key.into(),
            mode: Mode::Normal,
            over_tls: false,
            answers: answers.into(),
            then: Then::Waits,
        }
    }

    fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    fn hangs_up(self) -> Self {
        let then = Then::HangsUp;
        Self { then, ..self }
    }

    fn over_tls(self) -> Self {
        let over_tls = true;
        Self { over_tls, ..self }
    }
}

/// The transport connection is granted: CC, class 0, for reference 1.
fn cc() -> Answer {
    Tpdu("06d0 0001 0001 00".into())
}

/// The session connection is refused.
fn rf(reason: &str) -> Answer {
    Tsdu(format!("0c[ 11[01] 32[{reason}] ]"))
}

/// All contexts are taken.
const TAKEN: &str = "30(800100 81(5101)) 30(800100 81(5101)) 30(800100 81(5101))";

/// A value of ACSE as user data of the presentation layer.
fn of_acse(apdu: &str) -> String {
    format!("61(30( 020101 a0({apdu}) ))")
}

/// What the RTSE says in an APDU of ACSE.
fn of_rtse(apdu: &str) -> String {
    format!("be(28( 06(5101) 020103 a0({apdu}) ))")
}

fn aare(result: u8, diagnostic: &str, information: &str) -> String {
    of_acse(&format!(
        "61( a1(06(56000106)) a2(0201{result:02x}) a3({diagnostic}) {information} )"
    ))
}

/// CPR of the called user, who refused with AARE.
fn refused(diagnostic: &str, information: &str) -> Answer {
    let aare = aare(1, diagnostic, information);
    rf(&format!("02 30( a5({TAKEN}) {aare} )"))
}

/// AC with CPA.
fn ac(cpa: &str) -> Answer {
    Tsdu(format!(
        "0e[ 05[13[00] 16[02] 1a[00]] 14[0249] 3400 c1[{cpa}] ]"
    ))
}

/// Everything is granted, and this is what the user says.
fn granted(bind: &str) -> Answer {
    let rtoac = format!("b1( 800101 810103 a2(a0({bind})) )");
    let aare = aare(0, "a1(020100)", &of_rtse(&rtoac));
    ac(&format!("31( a0(800101) a2( a5({TAKEN}) {aare} ) )"))
}

/// The same in X.410 mode.
fn granted_in_x410(bind: &str) -> Answer {
    ac(&format!(
        "31( a0(800100) a1( 800101 810103 a2(a0({bind})) ) )"
    ))
}

/// What an MTA says of itself, with the type of its password.
fn mta(name: &str, password_type: &str, password: &str) -> String {
    format!("a1( 80('{name}') a1({password_type}('{password}')) )")
}

/// AB of the user, with ARU and ABRT.
fn abort(source: u8, information: &str) -> Answer {
    let abrt = of_acse(&format!("64( 8001{source:02x} {information} )"));
    Tsdu(format!(
        "19[ 11[03] c1[ a0( a0(30(020101 06(5101)) 30(020103 06(5101))) {abrt} ) ] ]"
    ))
}

/// All of them.
pub fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    ways.extend(transport());
    ways.extend(session());
    ways.extend(presentation());
    ways.extend(acse());
    ways.extend(rtse());
    ways.extend(bind());
    ways.extend(tls());
    ways
}

fn transport() -> Vec<Way> {
    let mut ways = vec![
        Way::new("silence", []),
        Way::new("hangs up", []).hangs_up(),
        Way::new("SMTP", [Raw("'220 mail.example.org ESMTP' 0d0a".into())]),
        Way::new(
            "TLS where we speak none",
            [Raw("15 0303 0002 02 0a".into())],
        ),
        Way::new("a packet too short", [Raw("0300 0004".into())]),
        Way::new("no TPDU", [Tpdu("0620 0001 0001 00".into())]),
        Way::new("CC of class 2", [Tpdu("06d0 0001 0001 20".into())]),
        Way::new("CC for another call", [Tpdu("06d0 0777 0001 00".into())]),
        Way::new("CR", [Tpdu("06e0 0000 0001 00".into())]),
        Way::new("hangs up after CC", [cc()]).hangs_up(),
        Way::new("DR after CC", [cc(), Tpdu("0680 0001 0001 80".into())]),
        // As an MTA of the 1990s said it.
        Way::new(
            "DR 128 with words",
            [Tpdu(
                "0680 0001 0018 80 'PP Service nosuch not found' 00".into(),
            )],
        ),
    ];
    for reason in [
        0_u8, 1, 2, 3, 128, 129, 130, 131, 132, 133, 135, 136, 138, 77,
    ] {
        let dr = format!("0680 0001 0001 {reason:02x}");
        ways.push(Way::new(format!("DR {reason}"), [Tpdu(dr)]));
    }
    for cause in 0..4_u8 {
        let er = format!("0770 0001 {cause:02x} c1 01e0");
        ways.push(Way::new(format!("ER {cause}"), [Tpdu(er)]));
    }
    ways
}

fn session() -> Vec<Way> {
    let mut ways = vec![
        Way::new("silence after CC", [cc()]),
        Way::new("no SPDU", [cc(), Tsdu("7700".into())]),
        Way::new(
            "CN",
            [cc(), Tsdu("0d[ 05[130100 160102] 14[0249] ]".into())],
        ),
        Way::new(
            "AC of a version we do not speak",
            [cc(), Tsdu("0e[ 05[130100 160104] 14[0249] ]".into())],
        ),
        Way::new(
            "AB of a protocol error",
            [cc(), Tsdu("19[ 11[05] 31[0d] ]".into())],
        ),
        Way::new("AB without a reason", [cc(), Tsdu("19[ 11[09] ]".into())]),
        Way::new("AB of a restriction", [cc(), Tsdu("19[ 11[11] ]".into())]),
    ];
    for reason in [0_u8, 1, 129, 130, 131, 132, 133, 134, 99] {
        let key = format!("RF {reason}");
        ways.push(Way::new(key, [cc(), rf(&format!("{reason:02x}"))]));
    }
    ways
}

fn presentation() -> Vec<Way> {
    let contexts = |last: &str| format!("30(800100 81(5101)) 30(800100 81(5101)) {last}");
    let unknown = contexts("30(800102 820101)");
    let mut ways = vec![
        Way::new("RF 2 without CPR", [cc(), rf("02 0500")]),
        Way::new("CPR without a word", [cc(), rf("02 3000")]),
        Way::new(
            "AC with CPA of another mode",
            [cc(), granted_in_x410(&mta("HUB", "04", "secret"))],
        ),
        Way::new("AC without CPA", [cc(), ac("0500")]),
        Way::new(
            "CPR for a context",
            [cc(), rf(&format!("02 30( a5({unknown}) )"))],
        ),
        Way::new(
            "CPA without P1",
            [cc(), ac(&format!("31( a0(800101) a2( a5({unknown}) ) )"))],
        ),
        Way::new(
            "CPA without our encoding",
            [
                cc(),
                ac(&format!(
                    "31( a0(800101) a2( a5({}) ) )",
                    contexts("30(800102 820102)")
                )),
            ],
        ),
        Way::new(
            "CPA that rejects without a reason",
            [
                cc(),
                ac(&format!(
                    "31( a0(800101) a2( a5({}) ) )",
                    contexts("30(800101)")
                )),
            ],
        ),
    ];
    for reason in 0..9_u8 {
        let cpr = format!("02 30( 8a01{reason:02x} )");
        ways.push(Way::new(format!("CPR {reason}"), [cc(), rf(&cpr)]));
    }
    for reason in 0..7_u8 {
        let arp = format!("19[ 11[03] c1[ 30(8001{reason:02x}) ] ]");
        ways.push(Way::new(format!("ARP {reason}"), [cc(), Tsdu(arp)]));
    }
    ways
}

fn acse() -> Vec<Way> {
    let other = of_acse("63( 800100 )");
    let mut ways = vec![
        Way::new(
            "CPR without AARE",
            [cc(), rf(&format!("02 30( a5({TAKEN}) {other} )"))],
        ),
        Way::new(
            "CPA without AARE",
            [
                cc(),
                ac(&format!("31( a0(800101) a2( a5({TAKEN}) {other} ) )")),
            ],
        ),
        Way::new(
            "AARE for now",
            [
                cc(),
                rf(&format!(
                    "02 30( a5({TAKEN}) {} )",
                    aare(2, "a1(020101)", "")
                )),
            ],
        ),
        Way::new("ABRT of the user", [cc(), abort(0, "")]),
        Way::new("ABRT of the provider", [cc(), abort(1, "")]),
        Way::new(
            "AB of the user without a word",
            [cc(), Tsdu("19[ 11[03] ]".into())],
        ),
    ];
    for diagnostic in 0..16_u8 {
        let aare = refused(&format!("a1(0201{diagnostic:02x})"), "");
        ways.push(Way::new(format!("AARE user {diagnostic}"), [cc(), aare]));
    }
    for diagnostic in 0..3_u8 {
        let aare = refused(&format!("a2(0201{diagnostic:02x})"), "");
        ways.push(Way::new(
            format!("AARE provider {diagnostic}"),
            [cc(), aare],
        ));
    }
    ways
}

fn rtse() -> Vec<Way> {
    let user = "a1(020101)";
    let aare = aare(0, "a1(020100)", "");
    let mut ways = vec![
        Way::new(
            "RTORJ without a word",
            [cc(), refused(user, &of_rtse("b200"))],
        ),
        Way::new(
            "AARE without RTOAC",
            [
                cc(),
                ac(&format!("31( a0(800101) a2( a5({TAKEN}) {aare} ) )")),
            ],
        ),
        Way::new("1984 RTORJ without a reason", [cc(), rf("02 3100")]).mode(Mode::Of1984),
    ];
    for mode in [Mode::X410, Mode::Of1984] {
        for reason in 0..5_u8 {
            let rtorj = format!("02 31(8001{reason:02x})");
            let key = format!("{} RTORJ {reason}", mode.name());
            ways.push(Way::new(key, [cc(), rf(&rtorj)]).mode(mode));
        }
    }
    for reason in 0..8_u8 {
        let rtab = of_rtse(&format!("b6(8001{reason:02x})"));
        ways.push(Way::new(format!("RTAB {reason}"), [cc(), abort(0, &rtab)]));
        let rtab = Tsdu(format!("19[ 11[03] c1[ 31(8001{reason:02x}) ] ]"));
        let key = format!("1984 RTAB {reason}");
        ways.push(Way::new(key, [cc(), rtab]).mode(Mode::Of1984));
    }
    ways
}

fn bind() -> Vec<Way> {
    let hub = mta("HUB", "04", "secret");
    let tagged = |bind: &str| format!("b1({bind})");
    let mut ways = vec![
        Way::new("no bind", [cc(), granted("0500")]),
        Way::new(
            "a bind argument for a result",
            [cc(), granted(&format!("b0({hub})"))],
        ),
        Way::new(
            "a bind with strong credentials",
            [cc(), granted(&tagged("a1( 80('HUB') a1(a0(3000)) )"))],
        ),
        Way::new(
            "another name",
            [cc(), granted(&tagged(&mta("SPOKE", "04", "secret")))],
        ),
        Way::new(
            "another password",
            [cc(), granted(&tagged(&mta("HUB", "04", "terces")))],
        ),
        Way::new("no release", [cc(), granted(&tagged(&hub))]).hangs_up(),
        Way::new("1984 CPA of normal mode", [cc(), granted(&tagged(&hub))]).mode(Mode::Of1984),
        Way::new(
            "1984 another name",
            [cc(), granted_in_x410(&mta("SPOKE", "16", "secret"))],
        )
        .mode(Mode::Of1984),
        Way::new(
            "1984 another password",
            [cc(), granted_in_x410(&mta("HUB", "16", "terces"))],
        )
        .mode(Mode::Of1984),
    ];
    for error in [0_u8, 1, 2, 3, 4, 5] {
        // With the tag of 1988, and without it, as an MTA of the 1990s has it.
        for (tag, rtorj) in [
            ("", format!("b2(a1(b2(0201{error:02x})))")),
            (" untagged", format!("b2(a1(0201{error:02x}))")),
        ] {
            let key = format!("bind error {error}{tag}");
            ways.push(Way::new(
                key,
                [cc(), refused("a1(020101)", &of_rtse(&rtorj))],
            ));
        }
    }
    ways
}

fn tls() -> Vec<Way> {
    let mut ways = vec![
        Way::new("TLS: silence", []).over_tls(),
        Way::new("TLS: hangs up", []).over_tls().hangs_up(),
        Way::new("TLS: none there", [Tpdu("0680 0000 0000 85".into())]).over_tls(),
    ];
    for alert in [40_u8, 42, 48, 70, 80, 112, 116] {
        let octets = format!("15 0303 0002 02{alert:02x}");
        ways.push(Way::new(format!("TLS: alert {alert}"), [Raw(octets)]).over_tls());
    }
    ways
}
