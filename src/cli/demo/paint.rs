//! How the demo draws: plain lines, with colour where a terminal shows it.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;

use super::neighbours::{MailServer, X400Mta};

/// Columns of a label at the left.
const LABEL: usize = 11;
/// Columns of the whole.
const WIDTH: usize = 78;

/// Colours of a terminal (ECMA-48).
#[derive(Debug, Clone, Copy)]
pub enum Colour {
    /// What leads the eye.
    Bold,
    /// What may be passed over.
    Dim,
    /// What came to a good end.
    Green,
    /// What failed, as it should.
    Yellow,
}

fn in_colour(colour: Colour, text: &str) -> String {
    let wanted = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let code = match colour {
        Colour::Bold => "1",
        Colour::Dim => "2",
        Colour::Green => "32",
        Colour::Yellow => "33",
    };
    if wanted {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// A line; a closed standard output is no failure of the demo.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Who is there.
pub fn opening(mail: &MailServer, smtp: SocketAddr, x400: SocketAddr, mta: &X400Mta) {
    line(&in_colour(
        Colour::Bold,
        "mixgate: X.400 and Internet mail, crossing on this machine",
    ));
    line("");
    line("   Internet                     the gateway                        X.400");
    line("  ┌──────────────┐   SMTP   ┌──────────────────┐   P1     ┌──────────────┐");
    line("  │ mail server  │ ◀──────▶ │ gw.example.org   │ ◀──────▶ │ MTA \"HUB\"    │");
    line("  └──────────────┘          └──────────────────┘          └──────────────┘");
    let places = format!(
        "   port {:<10}           ports {}, {:<10}        port {}",
        mail.address.port(),
        smtp.port(),
        x400.port(),
        mta.address.port()
    );
    line(&in_colour(Colour::Dim, &places));
}

/// The heading of a scene.
pub fn scene(number: u32, title: &str) {
    line("");
    let head = format!("── {number} ── {title} ");
    let rule = "─".repeat(WIDTH.saturating_sub(head.chars().count()));
    line(&in_colour(Colour::Bold, &format!("{head}{rule}")));
}

/// Lines with one label before the first.
pub fn block(label: &str, lines: &[String]) {
    line("");
    for (number, text) in lines.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        line(&format!(
            "  {}{text}",
            in_colour(Colour::Dim, &format!("{label:<LABEL$}"))
        ));
    }
}

/// A row of the mapping: what, into what, by which clause.
pub fn mapping(from: &str, to: &str, section: &str) -> String {
    let left = format!("{from} → {to}");
    let gap = " ".repeat(
        (WIDTH - LABEL - 22)
            .saturating_sub(left.chars().count())
            .max(2),
    );
    format!("{left}{gap}{}", in_colour(Colour::Dim, section))
}

/// The good end of a scene.
pub fn well(text: &str) {
    line("");
    line(&format!("  {} {text}", in_colour(Colour::Green, "✓")));
}

/// A failure that is part of the story.
pub fn failed(text: &str) -> String {
    in_colour(Colour::Yellow, text)
}

/// Where to go from here.
pub fn closing() {
    line("");
    line(&in_colour(Colour::Bold, "All of it arrived."));
    line("");
    line("  mixgate demo --keep DIR      keeps the configuration and every message seen");
    line("  mixgate convert --to x400 --explain DIR/1-sent.eml | mixgate decode");
    line("  mixgate serve --config DIR/mixgate.toml");
    line("");
}
