//! Pairs of addresses that RFCs, manuals and real mail print, each with the tables it presumes.

use std::path::Path;

use libtest_mimic::Failed;
use mixgate::mixer::address::mcgam::{TableKind, Tables};
use mixgate::mixer::address::{
    Role, identifier, or_address, personal_name, syntax, to_rfc822, to_x400,
};
use mixgate::mixer::basic::printable;
use mixgate::mixer::context::{Context, Gateway, PeerProfile};
use mixgate::rfc822::address::AddrSpec;

/// Rows that do not hold, or are no mapping of addresses, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("M03", "prints `_%` for an encoding of `\"_%\"`"),
    ("M13", "a fragment: tests/rfc2156 s4_1_1"),
    ("M14", "a fragment: tests/rfc2156 s4_1_1"),
    (
        "M26",
        "prints an ellipsis for the context: tests/rfc2156 s4_3_2",
    ),
    ("M27", "names no context: tests/rfc2156 s4_3_2"),
    (
        "M28",
        "a source route, which we strip (4.3.4 allows either)",
    ),
    (
        "M33",
        "keeps the order of domain-defined attributes against 4.3.3",
    ),
    ("M34", "drops ADMD, C and the final slash: an erratum"),
    (
        "M35",
        "quotes `/` and `=` nowhere; tests/rfc2156 s4_4_2 has it quoted",
    ),
    ("M36", "three steps: tests/rfc2156 s4_4_2"),
    ("M37", "a PRMD of 21 characters, where X.411 allows 16"),
    ("M38", "names no domain: tests/rfc2156 s4_4_1"),
    (
        "M43",
        "PN is read and never written: S and G come back instead",
    ),
    ("M46", "an MTS identifier: section 5.3.3.2"),
    ("M50", "big-endian order of RFC 1327"),
    ("M56", "big-endian order of RFC 1327"),
    (
        "M111",
        "a numeric country code, which only a table of codes could turn",
    ),
    ("M113", "the `#` encoding of RFC 987"),
    (
        "M121",
        "algorithmic, without any table: replies would go astray",
    ),
    ("M123", "three names in one row"),
    ("M125", "a table of its own that maps a space to a hyphen"),
];

/// The tables that rows presume, for the words in the context column or the row itself.
const PAIRS: &[(&str, &[(&str, &str)])] = &[
    ("M20", &[("AC.UK", r"PRMD$UK\.AC.ADMD$GOLD 400.C$GB")]),
    ("M21", &[("AC.UK", r"PRMD$UK\.AC.ADMD$GOLD 400.C$GB")]),
    ("M22", &[("HNE.EGM", "O$HNE.PRMD$@.ADMD$ECQ.C$TC")]),
    ("M23", &[("HNE.EGM", "O$HNE.PRMD$@.ADMD$ECQ.C$TC")]),
    ("M24", &[("Widget.COM", "O$Widget.PRMD$@.ADMD$BTT.C$TC")]),
    ("M25", &[("Widget.COM", "O$Widget.PRMD$@.ADMD$BTT.C$TC")]),
    ("M31", &[("Master400.it", "ADMD$Master400.C$it")]),
    (
        "M32",
        &[("autoroutes.fr", "PRMD$autoroutes.ADMD$atlas.C$fr")],
    ),
    ("M58", &[("tlec.nl", "PRMD$tlec.ADMD$ade.C$nl")]),
    ("M60", &[("tlec.nl", "PRMD$tlec.ADMD$ade.C$nl")]),
    ("M62", &[("tlec.nl", "PRMD$tlec.ADMD$ade.C$nl")]),
    (
        "M70",
        &[(
            "cs.wisc.edu",
            "OU$cs.O$UW-Madison.PRMD$xnren.ADMD$Internet.C$US",
        )],
    ),
];

/// The gateways that rows presume: their name and their O/R address.
const GATEWAYS: &[(&str, &str, &str)] = &[
    ("M29", "gw.example.org", "c=us; a=MCI; P=relay"),
    ("M52", "gw.example.org", "C=nl; ADMD=tlec; PRMD=GW"),
    ("M72", "gw.example.org", "C=IT; ADMD=MASTER400"),
    ("M74", "some.gateway.edu", "C=us; A=x; P=y"),
];

pub fn hold(folder: &Path) -> Result<(), Failed> {
    let (mut held, mut set_aside, mut faults) = (0, Vec::new(), Vec::new());
    for row in super::rows(&folder.join("pairs.tsv"))? {
        let [id, kind, direction, x400, rfc822, ..] = row.as_slice() else {
            continue;
        };
        if let Some((_, why)) = NOT_HERE.iter().find(|(row, _)| row == id) {
            set_aside.push(format!("  {id} {x400} | {rfc822}: {why}"));
            continue;
        }
        let (there, back) = (direction != "r->x", direction != "x->r");
        let outcome = match kind.as_str() {
            "ps-encoded" => ps_encoded(x400, rfc822, there, back),
            "encoded-pn" => encoded_pn(x400, rfc822),
            "address" | "mcgam-domain" => world(id, |context| {
                address(context, kind, x400, rfc822, there, back)
            }),
            "message-id" => message_id(x400, rfc822),
            other => {
                set_aside.push(format!(
                    "  {id} {x400} | {rfc822}: {other} is no mapping of this room"
                ));
                continue;
            }
        };
        match outcome {
            Ok(()) => held += 1,
            Err(fault) => faults.push(format!("  {id} {x400} | {rfc822}: {fault}")),
        }
    }
    super::say(&format!(
        "{held} printed pairs hold; not asked here:\n{}",
        set_aside.join("\n")
    ));
    if faults.is_empty() && held > 25 {
        Ok(())
    } else {
        Err(format!("\n{}", faults.join("\n")).into())
    }
}

/// The gateway and tables of a row.
fn world<T>(id: &str, check: impl FnOnce(&Context<'_>) -> Result<T, String>) -> Result<T, String> {
    let mut tables = Tables::default();
    let pairs = PAIRS
        .iter()
        .filter(|(row, _)| *row == id)
        .flat_map(|(_, pairs)| *pairs);
    for (domain, point) in pairs {
        for (kind, line) in [
            (TableKind::Table1, format!("{domain}#{point}#")),
            (TableKind::Table2, format!("{point}#{domain}#")),
        ] {
            tables
                .load(kind, "row", &line)
                .map_err(|faults| format!("{faults:?}"))?;
        }
    }
    if id == "M30" {
        let line = "alter.net#PRMD$relay.ADMD$BTglobal.C$gb#";
        tables
            .load(TableKind::Gate1, "row", line)
            .map_err(|faults| format!("{faults:?}"))?;
    }
    let mut gateway = Gateway::default();
    if let Some((_, name, address)) = GATEWAYS.iter().find(|(row, ..)| *row == id) {
        gateway.name = (*name).to_owned();
        gateway.address = address.parse().map_err(|error| format!("{error}"))?;
    }
    let peer = PeerProfile::default();
    check(&Context {
        id: "01J00000000000000000000000".into(),
        now: jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC),
        gateway: &gateway,
        tables: &tables,
        peer: &peer,
    })
}

fn ps_encoded(x400: &str, rfc822: &str, there: bool, back: bool) -> Result<(), String> {
    // M08 and its like: what is no encoding passes as it is.
    let decoded = printable::decode(x400).unwrap_or_else(|| x400.to_owned());
    if there && decoded != rfc822 {
        return Err(format!("decodes to {decoded}"));
    }
    let encoded = printable::encode(rfc822).unwrap_or_default();
    if back && encoded != x400 && printable::decode(rfc822).is_none() {
        return Err(format!("encodes to {encoded}"));
    }
    Ok(())
}

fn encoded_pn(x400: &str, rfc822: &str) -> Result<(), String> {
    let attributes = or_address::parse_input(x400).map_err(|error| error.to_string())?;
    let text = personal_name::encode(&attributes);
    let name = personal_name::parse(rfc822).map(|name| name.attributes().into_iter().collect());
    if text.as_deref() == Some(rfc822) && name.as_ref() == Some(&attributes) {
        Ok(())
    } else {
        Err(format!("{text:?} and {name:?}"))
    }
}

fn address(
    context: &Context<'_>,
    kind: &str,
    x400: &str,
    rfc822: &str,
    there: bool,
    back: bool,
) -> Result<(), String> {
    // A point of the hierarchy is asked with a surname below it.
    let point = kind == "mcgam-domain";
    let (x400, rfc822) = if point {
        (
            format!("S=x; {}", x400.replace(" (PRMD omitted)", "")),
            format!("x@{rfc822}"),
        )
    } else {
        (x400.to_owned(), rfc822.to_owned())
    };
    let attributes = or_address::parse_input(&x400).map_err(|error| error.to_string())?;
    let (local, domain) = rfc822.rsplit_once('@').ok_or("no mailbox")?;
    let local = local.trim_matches('"');
    let mailbox = AddrSpec::new(local, domain).map_err(|error| error.to_string())?;
    if there {
        let mapped = to_rfc822::map(context, &attributes, Role::Heading)
            .map_err(|error| error.to_string())?;
        if !mapped
            .value
            .to_string()
            .eq_ignore_ascii_case(&mailbox.to_string())
        {
            return Err(format!("maps to {} by {}", mapped.value, mapped.rule));
        }
    }
    if back {
        let mapped =
            to_x400::map(context, &mailbox, Role::Heading).map_err(|error| error.to_string())?;
        if !syntax::equivalent(&mapped.value, &attributes) {
            return Err(format!("comes from {} by {}", mapped.value, mapped.rule));
        }
    }
    Ok(())
}

/// The printed Message-ID comes back from the identifier it maps to, but for needless quotes.
fn message_id(x400: &str, rfc822: &str) -> Result<(), String> {
    let identifier = identifier::of_msg_id(rfc822).value;
    let back = identifier::msg_id(&identifier).unwrap_or_default();
    let relative = String::from_utf8_lossy(&identifier.relative).into_owned();
    if back.replace('"', "") != rfc822.replace('"', "") {
        return Err(format!("comes back as {back}"));
    }
    let named = x400.contains(&format!("relative={relative}")) || x400.contains("ps-encoding");
    let user = x400.contains("user=") == identifier.user.is_some();
    if named && user {
        Ok(())
    } else {
        Err(format!("maps to {identifier:?}"))
    }
}
