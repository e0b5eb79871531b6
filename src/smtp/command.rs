//! Command lines (RFC 5321 section 4.1.1) with the parameters of RFC 1870, RFC 6152 and RFC 3461.
//!
//! A line comes without its CRLF and bounded in length. What is wrong with it is said in the reply
//! that refuses it. Values stand decoded in the result; a source route is gone (appendix F.2).

use crate::rfc822::envelope::{
    BodyType, MAX_ENVID, MAX_ORCPT, Notify, OriginalRecipient, Ret, from_xtext,
};
use crate::rfc822::{AddrSpec, Envelope, Recipient, Status};

use super::Reply;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `HELO` (4.1.1.1) with the client's name.
    Helo(String),
    /// `EHLO` (4.1.1.1) with the client's name.
    Ehlo(String),
    /// `MAIL` (4.1.1.2): an envelope without recipients.
    Mail(Box<Envelope>),
    /// `RCPT` (4.1.1.3).
    Rcpt(Box<Recipient>),
    /// `DATA` (4.1.1.4).
    Data,
    /// `RSET` (4.1.1.5).
    Rset,
    /// `VRFY` (4.1.1.6) of a user or mailbox.
    Vrfy(String),
    /// `HELP` (4.1.1.8).
    Help,
    /// `NOOP` (4.1.1.9).
    Noop,
    /// `QUIT` (4.1.1.10).
    Quit,
    /// A browser or proxy that was led here speaks HTTP; nothing it says is to be answered.
    Http,
}

/// Commands of SMTP and its extensions that we do not have.
const NOT_OURS: &[&str] = &[
    "EXPN", "SEND", "SOML", "SAML", "TURN", "ETRN", "ATRN", "STARTTLS", "AUTH", "BDAT", "BURL",
    "XCLIENT", "XFORWARD",
];

/// Reads a command line, without its CRLF.
///
/// # Errors
/// The reply that refuses it.
pub fn parse(line: &[u8]) -> Result<Command, Reply> {
    let fault = |text: &str| Err(Reply::new(500, Status(5, 5, 2), text));
    let Some(line) = std::str::from_utf8(line)
        .ok()
        .filter(|line| line.is_ascii())
    else {
        return fault("Command lines are US-ASCII; SMTPUTF8 is not offered");
    };
    if line.bytes().any(|octet| octet.is_ascii_control()) {
        return fault("A command line holds no control characters");
    }
    let line = line.trim_end_matches(' ');
    let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
    let argument = argument.trim_start_matches(' ');
    match verb.to_ascii_uppercase().as_str() {
        "HELO" => name_of_client(argument).map(Command::Helo),
        "EHLO" => name_of_client(argument).map(Command::Ehlo),
        "MAIL" => mail(argument).map(|envelope| Command::Mail(Box::new(envelope))),
        "RCPT" => rcpt(argument).map(|recipient| Command::Rcpt(Box::new(recipient))),
        "DATA" => alone(argument, Command::Data),
        "RSET" => alone(argument, Command::Rset),
        "QUIT" => alone(argument, Command::Quit),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" if argument.is_empty() => Err(syntax("Say whom: VRFY <user@example.org>")),
        "VRFY" => Ok(Command::Vrfy(argument.to_owned())),
        "GET" | "POST" | "PUT" | "HEAD" | "OPTIONS" | "CONNECT" if argument.contains("HTTP/") => {
            Ok(Command::Http)
        }
        verb if NOT_OURS.contains(&verb) => Err(Reply::new(
            502,
            Status(5, 5, 1),
            &format!("{verb} is not offered here; HELP lists what is"),
        )),
        "" => fault("An empty line is no command; HELP lists them"),
        _ => Err(Reply::new(
            500,
            Status(5, 5, 1),
            "That is no command known here; HELP lists them",
        )),
    }
}

/// 501: the argument breaks its grammar.
fn syntax(text: &str) -> Reply {
    Reply::new(501, Status(5, 5, 4), text)
}

fn alone(argument: &str, command: Command) -> Result<Command, Reply> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(syntax("This command takes no argument"))
    }
}

/// The name in HELO and EHLO: a domain or an address literal, read widely (4.1.4 forbids to refuse
/// mail for it) but holding nothing that a `Received` field could not.
fn name_of_client(argument: &str) -> Result<String, Reply> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || "-._:[]/+=#~".contains(c);
    if argument.is_empty() {
        Err(syntax("Say who you are: EHLO mail.example.org"))
    } else if argument.len() > 255 || !argument.chars().all(of_name) {
        Err(syntax(
            "The name must be a domain name or an address literal",
        ))
    } else {
        Ok(argument.to_owned())
    }
}

/// `FROM:<reverse-path> [parameters]`.
fn mail(argument: &str) -> Result<Envelope, Reply> {
    let (path, rest) = path_after(argument, "FROM:")
        .ok_or_else(|| syntax("The form is MAIL FROM:<address>, or MAIL FROM:<>"))?;
    let reverse_path = AddrSpec::from_path(path)
        .map_err(|fault| Reply::new(501, Status(5, 1, 7), &format!("{path}: {fault}")))?;
    let mut envelope = Envelope {
        reverse_path,
        ..Envelope::default()
    };
    let mut seen = Vec::new();
    for parameter in rest.split(' ').filter(|word| !word.is_empty()) {
        match once(parameter, &mut seen)? {
            ("SIZE", value) => envelope.size = Some(size(value)?),
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("7BIT") => {
                envelope.body = BodyType::SevenBit;
            }
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("8BITMIME") => {
                envelope.body = BodyType::EightBitMime;
            }
            ("BODY", _) => return Err(syntax("BODY is 7BIT or 8BITMIME (RFC 6152)")),
            ("RET", Some(value)) if value.eq_ignore_ascii_case("FULL") => {
                envelope.ret = Some(Ret::Full);
            }
            ("RET", Some(value)) if value.eq_ignore_ascii_case("HDRS") => {
                envelope.ret = Some(Ret::Hdrs);
            }
            ("RET", _) => return Err(syntax("RET is FULL or HDRS (RFC 3461 section 4.3)")),
            ("ENVID", value) => envelope.envid = Some(envid(value)?),
            (keyword, _) => return Err(unknown(keyword, "MAIL")),
        }
    }
    Ok(envelope)
}

/// `TO:<forward-path> [parameters]`.
fn rcpt(argument: &str) -> Result<Recipient, Reply> {
    let (path, rest) =
        path_after(argument, "TO:").ok_or_else(|| syntax("The form is RCPT TO:<address>"))?;
    let forward_path = AddrSpec::from_path(path)
        .map_err(|fault| Reply::new(501, Status(5, 1, 3), &format!("{path}: {fault}")))?
        .ok_or_else(|| Reply::new(501, Status(5, 1, 3), "<> is nobody to receive mail"))?;
    let mut recipient = Recipient::new(forward_path);
    let mut seen = Vec::new();
    for parameter in rest.split(' ').filter(|word| !word.is_empty()) {
        match once(parameter, &mut seen)? {
            ("NOTIFY", value) => {
                let notify: Result<Notify, _> = value.unwrap_or_default().parse();
                recipient.notify = Some(notify.map_err(|fault| syntax(&fault.to_string()))?);
            }
            ("ORCPT", value) => recipient.orcpt = Some(orcpt(value)?),
            (keyword, _) => return Err(unknown(keyword, "RCPT")),
        }
    }
    Ok(recipient)
}

/// The path with its angle brackets, and what follows it.
///
/// Blanks before the path are let pass, as nearly every server does.
fn path_after<'a>(argument: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let (head, tail) = argument.split_at_checked(prefix.len())?;
    let tail = tail.trim_start_matches(' ');
    if !head.eq_ignore_ascii_case(prefix) || !tail.starts_with('<') {
        return None;
    }
    let (mut quoted, mut escaped) = (false, false);
    for (at, octet) in tail.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => {
                let (path, rest) = tail.split_at_checked(at + 1)?;
                return (rest.is_empty() || rest.starts_with(' ')).then_some((path, rest));
            }
            _ => {}
        }
    }
    None
}

/// The keyword in capitals and the value of a parameter that may stand once only.
fn once<'a>(
    parameter: &'a str,
    seen: &mut Vec<String>,
) -> Result<(&'static str, Option<&'a str>), Reply> {
    let (keyword, value) = match parameter.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (parameter, None),
    };
    let of_keyword = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if keyword.is_empty() || keyword.starts_with('-') || !keyword.chars().all(of_keyword) {
        return Err(syntax(&format!(
            "{parameter:?} is no parameter KEYWORD=value"
        )));
    }
    let capitals = keyword.to_ascii_uppercase();
    if seen.contains(&capitals) {
        return Err(syntax(&format!("{capitals} stands twice")));
    }
    let known = ["SIZE", "BODY", "RET", "ENVID", "NOTIFY", "ORCPT"];
    let Some(known) = known.into_iter().find(|known| *known == capitals) else {
        return Err(unknown(&capitals, "this command"));
    };
    seen.push(capitals);
    Ok((known, value))
}

/// 555: a parameter we do not have (4.1.1.11).
fn unknown(keyword: &str, command: &str) -> Reply {
    let text = format!("{keyword} is no parameter of {command} here");
    Reply::new(555, Status(5, 5, 4), &text)
}

/// `SIZE`: up to 20 digits (RFC 1870 section 4); more than any machine holds is the largest.
fn size(value: Option<&str>) -> Result<u64, Reply> {
    let digits = value.unwrap_or_default();
    let is_number = (1..=20).contains(&digits.len()) && digits.bytes().all(|d| d.is_ascii_digit());
    if is_number {
        Ok(digits.parse().unwrap_or(u64::MAX))
    } else {
        Err(syntax("SIZE is a number of octets (RFC 1870)"))
    }
}

/// `ENVID`: xtext of at most 100 octets that means printable US-ASCII (RFC 3461 section 4.4).
fn envid(value: Option<&str>) -> Result<String, Reply> {
    let value = value.filter(|value| !value.is_empty() && value.len() <= MAX_ENVID);
    value
        .and_then(|value| from_xtext(value).ok())
        .filter(|envid| envid.bytes().all(|octet| (b' '..=b'~').contains(&octet)))
        .ok_or_else(|| syntax("ENVID is xtext of 1 to 100 octets (RFC 3461 section 4.4)"))
}

/// `ORCPT`: address type and xtext, at most 500 octets (RFC 3461 section 4.2).
fn orcpt(value: Option<&str>) -> Result<OriginalRecipient, Reply> {
    let value = value.unwrap_or_default();
    if value.len() > MAX_ORCPT {
        return Err(syntax(
            "ORCPT is longer than 500 octets (RFC 3461 section 4.2)",
        ));
    }
    let orcpt: OriginalRecipient = value.parse().map_err(|fault| syntax(&format!("{fault}")))?;
    if orcpt.address.chars().any(char::is_control) {
        return Err(syntax("ORCPT means a text with control characters"));
    }
    Ok(orcpt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn envelope(line: &str) -> Envelope {
        match parse(line.as_bytes()) {
            Ok(Command::Mail(envelope)) => *envelope,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn recipient(line: &str) -> Recipient {
        match parse(line.as_bytes()) {
            Ok(Command::Rcpt(recipient)) => *recipient,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refusal(line: &str) -> (u16, String) {
        let reply = parse(line.as_bytes()).expect_err(line);
        (reply.code(), reply.status().unwrap().to_string())
    }

    #[test]
    fn s4_1_1_2_mail_with_every_parameter() {
        let envelope = envelope(
            "mail From:<\"/CN=Some One/\"@gw.example> size=5000 BODY=8bitmime RET=HDRS ENVID=a+20b",
        );
        let from = envelope.reverse_path.unwrap();
        assert_eq!(
            (from.local(), from.domain()),
            ("/CN=Some One/", "gw.example")
        );
        assert_eq!(envelope.size, Some(5000));
        assert_eq!(envelope.body, BodyType::EightBitMime);
        assert_eq!(envelope.ret, Some(Ret::Hdrs));
        assert_eq!(envelope.envid.as_deref(), Some("a b"));
    }

    #[test]
    fn s4_1_1_2_the_null_path_and_the_postmaster() {
        assert_eq!(envelope("MAIL FROM:<>").reverse_path, None);
        assert_eq!(
            recipient("RCPT TO:<postmaster>").forward_path.local(),
            "postmaster"
        );
        assert_eq!(refusal("RCPT TO:<>"), (501, "5.1.3".into()));
    }

    #[test]
    fn s4_1_2_paths_keep_what_they_mean() {
        for (line, local, domain) in [
            (
                "RCPT TO:<\"a>b \\\" c@d\"@e.example>",
                "a>b \" c@d",
                "e.example",
            ),
            (
                "RCPT TO:<@a.example,@b.example:u@c.example>",
                "u",
                "c.example",
            ),
            ("RCPT TO:<user@[127.0.0.1]>", "user", "[127.0.0.1]"),
            (
                "RCPT TO:<user@[IPv6:2001:db8::1]>",
                "user",
                "[IPv6:2001:db8::1]",
            ),
            ("RCPT TO: <a@b> ", "a", "b"),
            (
                "RCPT TO:</S=One/C=GB/ADMD=x/@gw.example>",
                "/S=One/C=GB/ADMD=x/",
                "gw.example",
            ),
        ] {
            let path = recipient(line).forward_path;
            assert_eq!((path.local(), path.domain()), (local, domain), "{line}");
        }
        let long = format!("RCPT TO:<{}@gw.example>", "x".repeat(1500));
        assert_eq!(recipient(&long).forward_path.local().len(), 1500);
    }

    #[test]
    fn s4_1_1_3_what_is_no_path_is_refused() {
        for line in [
            "MAIL",
            "MAIL FROM",
            "MAIL FROM:",
            "MAIL FROM:a@b",
            "MAIL TO:<a@b>",
            "MAIL FROM:<a@b",
            "MAIL FROM:<a@b>x",
            "MAIL FROM:<a@b>SIZE=1",
            "MAIL FROM:<\"a@b>",
        ] {
            assert_eq!(refusal(line), (501, "5.5.4".into()), "{line}");
        }
        for line in [
            "MAIL FROM:<a>",
            "MAIL FROM:<a b@c>",
            "MAIL FROM:<a@b c>",
            "MAIL FROM:<a@>",
        ] {
            assert_eq!(refusal(line), (501, "5.1.7".into()), "{line}");
        }
    }

    #[test]
    fn s4_1_1_11_unknown_parameters_are_555() {
        for line in [
            "MAIL FROM:<a@b> FOO=bar",
            "MAIL FROM:<a@b> NOTIFY=NEVER",
            "MAIL FROM:<a@b> SMTPUTF8",
            "RCPT TO:<a@b> SIZE=1",
            "RCPT TO:<a@b> X",
            "MAIL FROM:<a@b> AUTH=<>",
        ] {
            assert_eq!(refusal(line), (555, "5.5.4".into()), "{line}");
        }
        for line in [
            "MAIL FROM:<a@b> SIZE",
            "MAIL FROM:<a@b> SIZE=x",
            "MAIL FROM:<a@b> BODY=BINARYMIME",
            "MAIL FROM:<a@b> RET=ALL",
            "MAIL FROM:<a@b> SIZE=1 SIZE=2",
            "MAIL FROM:<a@b> =1",
            "MAIL FROM:<a@b> ENVID=+0D+0A",
            "RCPT TO:<a@b> NOTIFY=NEVER,FAILURE",
        ] {
            assert_eq!(refusal(line), (501, "5.5.4".into()), "{line}");
        }
    }

    #[test]
    fn rfc1870_4_sizes_beyond_all_measure_are_the_largest() {
        let line = "MAIL FROM:<a@b> SIZE=99999999999999999999";
        assert_eq!(envelope(line).size, Some(u64::MAX));
        assert_eq!(envelope("MAIL FROM:<a@b> SIZE=0").size, Some(0));
    }

    #[test]
    fn rfc3461_4_1_and_4_2_notify_and_orcpt_of_any_type() {
        let recipient_ =
            recipient("RCPT TO:<a@b> NOTIFY=success,FAILURE ORCPT=x400;/C+3DGB/S=One/");
        assert_eq!(recipient_.notify, Some(Notify::SUCCESS_AND_FAILURE));
        let orcpt = recipient_.orcpt.unwrap();
        assert_eq!(
            (&*orcpt.address_type, &*orcpt.address),
            ("x400", "/C=GB/S=One/")
        );
        let utf8 = recipient("RCPT TO:<a@b> ORCPT=utf-8;a\\x{E9}@b")
            .orcpt
            .unwrap();
        assert_eq!(&*utf8.address_type, "utf-8");
        for value in ["", "rfc822", ";a", "rfc822;a+0A", "rfc822;a+2"] {
            assert_eq!(
                refusal(&format!("RCPT TO:<a@b> ORCPT={value}")).0,
                501,
                "{value}"
            );
        }
        let long = format!("RCPT TO:<a@b> ORCPT=rfc822;{}", "x".repeat(500));
        assert_eq!(refusal(&long).0, 501);
    }

    #[test]
    fn s4_1_1_1_a_client_says_its_name() {
        assert_eq!(
            parse(b"ehlo [IPv6:::1]"),
            Ok(Command::Ehlo("[IPv6:::1]".into()))
        );
        assert_eq!(parse(b"HELO my_host "), Ok(Command::Helo("my_host".into())));
        for line in ["EHLO", "EHLO a b", "EHLO a;b", "HELO (x)"] {
            assert_eq!(refusal(line).0, 501, "{line}");
        }
    }

    #[test]
    fn s4_2_4_unknown_and_unimplemented_commands_differ() {
        assert_eq!(refusal("FOO"), (500, "5.5.1".into()));
        assert_eq!(refusal(""), (500, "5.5.2".into()));
        assert_eq!(refusal("EXPN list"), (502, "5.5.1".into()));
        assert_eq!(refusal("starttls"), (502, "5.5.1".into()));
        assert_eq!(refusal("DATA now").0, 501);
        assert_eq!(parse(b"noop whatever"), Ok(Command::Noop));
        assert_eq!(parse(b"GET / HTTP/1.1"), Ok(Command::Http));
        assert_eq!(parse(b"MAIL FROM:<\xC3\xA9@b>").unwrap_err().code(), 500);
        assert_eq!(parse(b"NOOP \0").unwrap_err().code(), 500);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
        }

        #[test]
        fn no_argument_panics(
            verb in "(MAIL FROM:|RCPT TO:)",
            rest in "[<>\"\\\\@:,. a-z=+;\\[\\]A-Z]{0,60}",
        ) {
            let _ = parse(format!("{verb}{rest}").as_bytes());
        }
    }
}
