//! Pairs of addresses that RFCs, manuals and real mail print, each with the tables it presumes.

use std::path::Path;

use libtest_mimic::Failed;
use mixgate::mixer::address::mcgam::{TableKind, Tables};
use mixgate::mixer::address::{
    Key, Role, identifier, or_address, personal_name, syntax, to_rfc822, to_x400, wire,
};
use mixgate::mixer::basic::printable;
use mixgate::mixer::context::{Context, Gateway, PeerProfile};
use mixgate::rfc822::address::AddrSpec;

/// Rows that do not hold: what is found instead, and the misprint, or the clause that says otherwise.
const DIFFERS: &[(&str, &str, &str)] = &[
    (
        "M03",
        "decodes to \"_%\"",
        "a misprint: by the table of 3.4 `(q)` is a quote, and `%` is `(p)`",
    ),
    (
        "M28",
        "comes from /RFC-822=userb(a)host2/",
        "4.3.4 stage I step 1: a source route may be reduced to its last domain",
    ),
    (
        "M34",
        "maps to /G=Andy/S=Wharol/O=MMNY/ADMD=ATT/C=us/@attmail.com",
        "4.3.5 B.3 goes on with step 5, where all attributes stay; by 4.1.3 a slash ends them",
    ),
    (
        "M37",
        "PRMD",
        "X.411 annex B: a PRMD of 21 characters, where 16 are the most",
    ),
    (
        "M43",
        "comes back as <\"020828081752Z.WT24519.  6*/G=Robin/S=Hill/",
        "4.1.3: PN is read and never written",
    ),
    (
        "M50",
        "maps to /S=plork/O=tlec/PRMD=fhbo/ADMD=ade/C=zz/",
        "4.3.3: the order of RFC 1327 is the other way round",
    ),
    (
        "M113",
        "'#' cannot stand in an O/R address",
        "3.4: the encoding of RFC 987 with `#` is gone",
    ),
    (
        "M115",
        "ADMD.DBP",
        "a misprint of RFC 1026: a level is separated from its value by `$`",
    ),
    (
        "M121",
        "maps to /S=alias/O=pss/",
        "4.2: domains and O/R addresses are equivalent by agreed mappings only",
    ),
];

/// How many rows another test asks: the codec of RFC 2163 (kinds that begin with `px-`).
const PX_ROWS: usize = 9;

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
    ("M33", &[("ptpostel.it", "ADMD$PtPostel.C$it")]),
    ("M35", &[("Inria.ATLAS.FR", "PRMD$Inria.ADMD$ATLAS.C$FR")]),
    (
        "M37",
        &[(
            "Widget.PTT.XY",
            "O$Widget Corporation.PRMD$Griddle MHS Providers.ADMD$PTT.C$XY",
        )],
    ),
    ("M111", &[("AC.UK", "PRMD$DES.ADMD$BT.C$234")]),
    (
        "M123",
        &[("example.uk", r"OU$example.O$@.PRMD$UK\.AC.ADMD$ .C$GB")],
    ),
    ("M125", &[("gold-400.gb", "ADMD$gold 400.C$gb")]),
];

/// The domains of preferred gateways that rows presume (table 4).
const PREFERRED: &[(&str, &str)] = &[("M34", "ADMD$ATT.C$us#attmail.com#")];

/// The gateways that rows presume: their name and their O/R address.
const GATEWAYS: &[(&str, &str, &str)] = &[
    ("M26", "gw.example.org", "C=GB; O=Gateway"),
    ("M27", "gw.example.org", "C=TC; ADMD=Wizz.mail; PRMD=42"),
    ("M28", "gw.example.org", "c=gb; a= ; p=uk.ac; o=mr"),
    ("M38", "gw.example.org", "C=XX; ADMD=YY; O=MD"),
    ("M50", "gw.switch.ch", "C=CH; A=x"),
    ("M56", "gw.switch.ch", "C=CH; A=x"),
    ("M29", "gw.example.org", "c=us; a=MCI; P=relay"),
    ("M52", "gw.example.org", "C=nl; ADMD=tlec; PRMD=GW"),
    ("M72", "gw.example.org", "C=IT; ADMD=MASTER400"),
    ("M74", "some.gateway.edu", "C=us; A=x; P=y"),
];

pub fn hold(folder: &Path) -> Result<(), Failed> {
    let rows = super::rows(&folder.join("pairs.tsv"))?;
    let (mut held, mut px, mut differ, mut faults) = (0, 0, Vec::new(), Vec::new());
    for row in &rows {
        let [id, kind, direction, x400, rfc822, ..] = row.as_slice() else {
            return Err(format!("a row of {} columns: {row:?}", row.len()).into());
        };
        if kind.starts_with("px-") {
            px += 1;
            continue;
        }
        let listed = DIFFERS.iter().find(|(row, ..)| row == id);
        match (ask(id, kind, direction, x400, rfc822), listed) {
            (Ok(()), None) => held += 1,
            (Err(fault), Some((_, found, why))) if fault.contains(found) => {
                differ.push(format!("  {id} {x400} | {rfc822}: {fault}; {why}"));
            }
            (Ok(()), Some(_)) => faults.push(format!("  {id} holds, and is listed not to")),
            (Err(fault), _) => faults.push(format!("  {id} {x400} | {rfc822}: {fault}")),
        }
    }
    super::say(&format!(
        "{held} of {} printed pairs hold; otherwise by the standard:\n{}",
        rows.len() - px,
        differ.join("\n")
    ));
    if differ.len() != DIFFERS.len() {
        faults.push(format!(
            "{} rows differ, {} are listed",
            differ.len(),
            DIFFERS.len()
        ));
    }
    if px != PX_ROWS {
        faults.push(format!("{px} rows of RFC 2163, {PX_ROWS} expected"));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("\n{}", faults.join("\n")).into())
    }
}

/// Whether a row holds, or what is found instead.
fn ask(id: &str, kind: &str, direction: &str, x400: &str, rfc822: &str) -> Result<(), String> {
    let (there, back) = (
        !direction.starts_with("r->x"),
        !direction.starts_with("x->r"),
    );
    match kind {
        "ps-encoded" => ps_encoded(x400, rfc822, there, back),
        "encoded-pn" => encoded_pn(x400, rfc822),
        // First one way, then the other at the next gateway.
        "address" if direction == "x->r->x" => world(id, |context| {
            let (first, then) = rfc822.split_once(" -> ").ok_or("no second step")?;
            address(context, kind, x400, first, true, false)?;
            address(context, kind, then, first, false, true)
        }),
        "address" | "mcgam-domain" => world(id, |context| {
            let plain = |text: &str| text.replace("<user_alias>", "alias");
            let unquoted = plain(x400).replace('"', "");
            address(context, kind, &unquoted, &plain(rfc822), there, back)
        }),
        "message-id" => message_id(x400, rfc822),
        "mts-id" => mts_id(x400, rfc822),
        "teletex" | "upa" => fragment(x400, rfc822),
        "mcgam-rule" => mcgam_rule(x400, rfc822),
        "dsn-recipient" => world(id, |context| dsn_recipient(context, x400, rfc822)),
        other => Err(format!("no such kind is known: {other}")),
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
    if let Some((_, line)) = PREFERRED.iter().find(|(row, _)| *row == id) {
        tables
            .load(TableKind::Gate2, "row", line)
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
    // The context that a row leaves to the reader is this gateway.
    let here = or_address::f401(&context.gateway.address);
    let below_country = here.rsplit_once("; ").map_or("", |(below, _)| below);
    let x400 = x400
        .replace("(plus MD context)", &format!("; {here}"))
        .replace("(plus MD)", &format!("; {here}"))
        .replace("(context)", below_country);
    // A point of the hierarchy is asked with a surname below it.
    let point = kind == "mcgam-domain" || !rfc822.contains('@');
    let (x400, rfc822) = if point {
        (
            format!("S=x; {}", x400.replace(" (PRMD omitted)", "")),
            format!("x@{rfc822}"),
        )
    } else {
        (x400, rfc822.to_owned())
    };
    let attributes = or_address::parse_input(&x400).map_err(|error| error.to_string())?;
    let mailbox = mailbox(&rfc822)?;
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

/// The mailbox that a row prints, quoted or not, with a source route or without.
fn mailbox(text: &str) -> Result<AddrSpec, String> {
    if text.starts_with('@') {
        let path = AddrSpec::from_path(&format!("<{text}>")).map_err(|error| error.to_string())?;
        return path.ok_or_else(|| "no mailbox".to_owned());
    }
    let (local, domain) = text.rsplit_once('@').ok_or("no mailbox")?;
    AddrSpec::new(local.trim_matches('"'), domain).map_err(|error| error.to_string())
}

/// An MTS identifier, and its text in fields.
fn mts_id(x400: &str, rfc822: &str) -> Result<(), String> {
    let identifier = identifier::of_mts_msg_id(rfc822).ok_or("is read as none")?;
    let domain = mixgate::mixer::domain::attributes(&identifier.global_domain_identifier);
    let local = String::from_utf8_lossy(identifier.local_identifier.as_bytes()).into_owned();
    let (printed, of_domain) = x400
        .split_once("} local ")
        .map_or(("", ""), |(a, b)| (b, a));
    let of_domain = of_domain
        .trim_start_matches("GlobalDomainId{")
        .replace(',', ";");
    let of_domain = or_address::parse_input(&of_domain).map_err(|error| error.to_string())?;
    let text = identifier::mts_msg_id(&identifier);
    if printed == local && domain == of_domain && text == rfc822 {
        Ok(())
    } else {
        Err(format!("{domain} and {local}, written {text}"))
    }
}

/// One attribute, the way an RFC describes its octets, and its text; also through ASN.1.
fn fragment(x400: &str, rfc822: &str) -> Result<(), String> {
    let value = match (x400.split_once(" lines: "), x400.split_once(" + T.61 0x")) {
        (Some((_, lines)), _) => lines.replace(" / ", "|"),
        (_, Some((printable, octet))) => {
            let printable = printable.rsplit('=').next().unwrap_or_default();
            let octet = u8::from_str_radix(octet, 16).map_err(|error| error.to_string())?;
            let forms = syntax::Forms {
                printable: Some(printable.into()),
                teletex: Some(vec![octet]),
            };
            forms.text()
        }
        _ => return Err("no attribute".to_owned()),
    };
    let read = or_address::parse(rfc822).map_err(|error| error.to_string())?;
    let values: Vec<&str> = read
        .iter()
        .map(|attribute| attribute.value.as_str())
        .collect();
    let (again, _) = wire::attributes(&wire::or_address(&read));
    if values == [value.as_str()] && again == read && read.to_string() == rfc822 {
        Ok(())
    } else {
        Err(format!(
            "{value} expected, {values:?} read, {again} through ASN.1"
        ))
    }
}

/// A line of a table, and its mirror. `-` stands for any domain.
fn mcgam_rule(x400: &str, rfc822: &str) -> Result<(), String> {
    let domain = rfc822.replace('-', "any.example");
    let mut tables = Tables::default();
    for (kind, line) in [
        (TableKind::Table1, format!("{domain}#{x400}#")),
        (TableKind::Table2, format!("{x400}#{domain}#")),
    ] {
        let loaded = tables.load(kind, "row", &line);
        loaded.map_err(|faults| format!("{faults:?} in {line}"))?;
    }
    let of_domain = tables
        .table1
        .lookup(&domain)
        .ok_or("its domain is not found")?;
    let mut below = of_domain.prefix.attributes();
    below.push(Key::S, "x");
    let of_point = tables
        .table2
        .lookup(&below)
        .ok_or("its point is not found")?;
    if of_point.domain.eq_ignore_ascii_case(&domain) && of_domain.prefix.to_string() == x400 {
        Ok(())
    } else {
        Err(format!("{} and {}", of_domain.prefix, of_point.domain))
    }
}

/// The two recipient fields of a delivery notification, of one recipient of X.400.
fn dsn_recipient(context: &Context<'_>, x400: &str, rfc822: &str) -> Result<(), String> {
    let attributes = or_address::parse_input(x400).map_err(|error| error.to_string())?;
    let mut fields = rfc822
        .split(" / ")
        .filter_map(|field| field.split_once("; "));
    let (Some((_, original)), Some((_, last))) = (fields.next(), fields.next()) else {
        return Err("no two fields".to_owned());
    };
    if attributes.to_string() != last {
        return Err(format!("is written {attributes}"));
    }
    address(context, "address", x400, original, true, true)
}
