//! RFC 2156 sections 4.1.3 and 4.3.4.1: the styles people and systems write, and which are strict.

use mixgate::mixer::address::styles::{self, Style};
use mixgate::mixer::address::{imcea, or_address, syntax};

use crate::world::or;

/// `text` is of `style`, and says `expected`; a local part may say so only where `strict`.
fn says(style: Style, text: &str, expected: &str) {
    let reading = styles::read(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    assert_eq!(
        (reading.style, reading.attributes.to_string().as_str()),
        (style, expected)
    );
    let strict = or_address::parse(text).map(|address| address.to_string());
    assert_ne!(strict.as_deref(), Ok(expected), "{text} needs no tolerance");
    let none = reading.attributes.iter().find_map(syntax::fault);
    assert_eq!(none, None, "{text}");
}

#[test]
fn f401_annex_b_labels_are_read() {
    use Style::{Labels, StdOr};
    says(StdOr, "X400:/C=us/A=mci/S=Doe", "/S=Doe/ADMD=mci/C=us/");
    says(
        StdOr,
        "x400; /RFC-822=a(a)b/ADMD= /C=WW/",
        "/RFC-822=a(a)b/ADMD= /C=WW/",
    );
    says(
        Labels,
        "X.400: \"C=us;A=mci;S=Doe\"",
        "/S=Doe/ADMD=mci/C=us/",
    );
    assert_eq!(
        or("S=Doe;C=us;A= \n").to_string(),
        "/S=Doe/ADMD= /C=us/",
        "a value of one space"
    );
    says(Labels, "c=US;a=x;o=P/Q;s=Doe", "/S=Doe/O=P$/Q/ADMD=x/C=US/");
    says(
        Labels,
        r"X400:c=US\;a= \;o=Org\;s=Doe\;",
        "/S=Doe/O=Org/ADMD= /C=US/",
    );
}

#[test]
fn domain_defined_attributes_of_other_systems_are_read() {
    let below = |dda: &str| format!("/{dda}/ADMD= /C=us/");
    for (dda, expected) in [
        ("dda.type=SMTP;dda.value=u@d.org", "DD.SMTP=u(a)d.org"),
        ("dda.type=SMTP;dda.value=U(A)D", "DD.SMTP=U(A)D"),
        ("dda=SMTP:u_1@d.org", "DD.SMTP=u(u)1(a)d.org"),
        ("DDA:RFC-822=a(u)b@d.org", "RFC-822=a(u)b(a)d.org"),
        ("DDA:RFC-822=(x)@d.org", "RFC-822=(l)x(r)(a)d.org"),
        ("DD.Mail-11=node%root.owner", "DD.Mail-11=node(p)root.owner"),
        (
            "dda.type=id/dda.value=fax(b)12(//Jo Doe",
            "DD.id=fax(b)12($/$/Jo Doe",
        ),
        ("ID=ICS", "DD.ID=ICS"),
    ] {
        let text = format!("c=us;{dda}");
        assert_eq!(or(&text).to_string(), below(expected), "{text}");
    }
    // With a colon the types are called so.
    assert_eq!(
        or("DDA:type=a;DDA:value=b").domain_defined("type"),
        Some("a")
    );
    // A low line of a name is what its system will look for.
    assert_eq!(or("c=us;s=a_b").to_string(), below("S=a{095}b"));
}

#[test]
fn telemail_and_envoy_are_read() {
    let telemail = r#"(C:au, A:telememo, P:oz.au, "RFC-822":"J Doe <u(a)d>")"#;
    says(
        Style::Telemail,
        telemail,
        "/RFC-822=u(a)d/PRMD=oz.au/ADMD=telememo/C=au/",
    );
    let notes = styles::read(telemail).map(|reading| reading.notes).unwrap();
    assert!(
        notes.iter().any(|note| note.what.contains("`J Doe`")),
        "{notes:?}"
    );
    let envoy = r#"[RFC-822="u(a)d"]INTERNET/TELEMAIL/US"#;
    says(
        Style::Envoy,
        envoy,
        "/RFC-822=u(a)d/PRMD=INTERNET/ADMD=TELEMAIL/C=US/",
    );
    says(
        Style::Point,
        r"O$a.PRMD$UK\.AC.ADMD$GOLD 400.C$GB",
        "/O=a/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
    );
}

#[test]
fn s4_3_4_1_units_behind_their_organization_run_from_the_left() {
    let ordered = "/G=jo/S=plork/OU=you/OU=owe/O=a bank/PRMD=fhbo/ADMD=ade/C=zz/";
    let inverted = "C=zz; ADMD=ade; PRMD=fhbo; O=a bank; OU=owe; OU=you; S=plork; G=jo";
    let reading = styles::read(inverted).unwrap();
    assert_eq!(reading.attributes.to_string(), ordered);
    assert!(
        reading
            .notes
            .iter()
            .any(|note| note.what == "organizational units")
    );
    assert_eq!(
        or("G=jo; S=plork; OU=you; OU=owe; O=a bank; P=fhbo; A=ade; C=zz").to_string(),
        ordered
    );
    assert_eq!(or(ordered).to_string(), ordered);
    // Stage I reads by the order of 4.3.3 alone, and numbers need no order.
    let strict = or_address::parse(inverted).unwrap();
    assert!(strict.to_string().contains("/OU=owe/OU=you/"), "{strict}");
    assert!(
        or("C=zz;O=o;OU1=owe;OU2=you")
            .to_string()
            .contains("/OU=you/OU=owe/")
    );
}

#[test]
fn an_address_at_its_gateway_is_read_if_it_is_whole() {
    let text = "C=us/ADMD=test/PRMD=infonet @local";
    says(Style::StdOr, text, "/PRMD=infonet/ADMD=test/C=us/");
    assert!(
        styles::read("O=a b/S=c @local").is_err(),
        "its domain says more"
    );
}

#[test]
fn imceax400_is_read_and_written() {
    let exchange = "IMCEAX400-c=US+3Ba=+20+3Bp=MS+3Bo=PARIS+3Bs=user+3B@host.example";
    says(
        Style::Imceax400,
        exchange,
        "/S=user/O=PARIS/PRMD=MS/ADMD= /C=US/",
    );
    for (text, local) in [
        (
            "C=US;A= ;P=MS;S=user",
            "IMCEAX400-C=US+3BA=+20+3BP=MS+3BS=user+3B",
        ),
        (
            "C=US;A=x;O=a/b;S=s",
            "IMCEAX400-C=US+3BA=x+3BO=a_b+3BS=s+3B",
        ),
        // Unquoted this would be two attributes.
        (
            "/C=US/A=x/O=a$/s$=b/",
            "IMCEAX400-C=US+3BA=x+3BO=a+24_s+24=b+3B",
        ),
    ] {
        let address = or(text);
        let mailbox = imcea::write(&address, "gw.example").unwrap();
        assert_eq!((mailbox.local(), mailbox.domain()), (local, "gw.example"));
        assert_eq!(or(&mailbox.to_string()), address);
    }
    let units = or("C=US;A=x;OU1=a;OU2=b;CN=M*{200}u");
    assert_eq!(or(&imcea::write(&units, "h").unwrap().to_string()), units);
    assert_eq!(imcea::write(&units, "no host"), None);
}
