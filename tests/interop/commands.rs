//! The commands of mixgate as a shell meets them: what they say, and with which exit code.

use std::fs;
use std::path::Path;
use std::process::Output;

use libtest_mimic::{Failed, Trial};

use super::program::{mixgate, output};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("demo_shows_all_it_promises", demo_shows_all_it_promises),
        Trial::test(
            "bad_files_are_refused_by_octet",
            bad_files_are_refused_by_octet,
        ),
        Trial::test(
            "a_bad_content_is_refused_by_octet",
            a_bad_content_is_refused_by_octet,
        ),
        Trial::test(
            "files_that_are_no_mail_are_refused_by_octet",
            files_that_are_no_mail_are_refused_by_octet,
        ),
        Trial::test("files_that_are_not_there", files_that_are_not_there),
    ]
}

fn demo_shows_all_it_promises() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let kept = folder.path().join("kept");
    let done = output(mixgate(&["demo", "--keep", &kept.display().to_string()]))?;
    let said = String::from_utf8_lossy(&done.stdout);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{said}\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(done.stderr.is_empty(), "{done:?}");
    // One thing that arrived of each scene: a message, a mail, and the notification of a failure.
    assert_eq!(
        run(&["decode"], &kept.join("1-received.ber"))?
            .status
            .code(),
        Some(0)
    );
    let mail = fs::read_to_string(kept.join("2-received.eml"))?;
    assert!(mail.contains("Subject: Re: Orders of the week"), "{mail}");
    let notification = fs::read_to_string(kept.join("3-received.eml"))?;
    assert!(notification.contains("Status: 5.1.1"), "{notification}");
    Ok(())
}

/// Runs a command on a file.
fn run(arguments: &[&str], file: &Path) -> Result<Output, Failed> {
    let mut program = mixgate(arguments);
    program.arg(file);
    Ok(output(program)?)
}

/// A P1 APDU, made of a mail by `convert`.
fn apdu(folder: &Path) -> Result<Vec<u8>, Failed> {
    let mail = folder.join("good.eml");
    fs::write(
        &mail,
        "From: ada@internet.example\r\nTo: ben@internet.example\r\nSubject: Good\r\n\r\nText\r\n",
    )?;
    let done = run(&["convert", "--to", "x400"], &mail)?;
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    Ok(done.stdout)
}

fn bad_files_are_refused_by_octet() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let good = apdu(folder.path())?;
    let length = good.len();
    let whole = folder.path().join("whole");
    fs::write(&whole, &good)?;
    for command in [&["decode"][..], &["convert", "--to", "smtp"]] {
        let done = run(command, &whole)?;
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        assert!(
            !done.stdout.is_empty() && done.stderr.is_empty(),
            "{done:?}"
        );
    }
    // The octets, where the error is to be seen if there is but one such place, and what is said.
    let after = |more: &[u8]| [&good[..], more].concat();
    // A value of the envelope says it goes on behind the end of what it is in.
    let value = good.windows(4).position(|four| four == b"Good").unwrap();
    let mut damaged = good.clone();
    damaged[value - 1] = 0x7f;
    let files: [(&str, Vec<u8>, Option<usize>); 10] = [
        ("empty", Vec::new(), Some(0)),
        ("the first octet", good[..1].to_vec(), Some(0)),
        ("half", good[..length / 2].to_vec(), Some(0)),
        (
            "all but the last octet",
            good[..length - 1].to_vec(),
            Some(0),
        ),
        ("ended by another end", after(&[0, 0]), Some(length)),
        ("followed by half", after(&good[..length / 2]), Some(length)),
        ("too long a value", damaged, None),
        ("text", b"Dear Jo, this is no APDU.\n".to_vec(), Some(0)),
        ("too deep", [0x30, 0x80].repeat(5000), Some(1024)),
        ("all octets downwards", (0..=255).rev().collect(), None),
    ];
    for (what, octets, at) in files {
        let file = folder.path().join("bad");
        fs::write(&file, &octets)?;
        for command in [
            &["decode"][..],
            &["decode", "--json"],
            &["convert", "--to", "smtp"],
            &["convert", "--to", "smtp", "--explain"],
        ] {
            let done = run(command, &file)?;
            let said = String::from_utf8(done.stderr)?;
            assert_eq!(done.status.code(), Some(65), "{what}: {command:?}: {said}");
            let offset = said
                .lines()
                .last()
                .and_then(|line| line.strip_prefix(&format!("mixgate: {}: octet ", file.display())))
                .and_then(|rest| rest.split([':', ' ']).next())
                .and_then(|number| number.parse::<usize>().ok());
            let right = offset.is_some_and(|offset| match at {
                Some(at) => offset == at,
                None => offset <= octets.len(),
            });
            assert!(right, "{what}, {at:?}: {command:?}: {said}");
            assert!(said.contains("expected "), "{what}: {command:?}: {said}");
        }
    }
    Ok(())
}

fn a_bad_content_is_refused_by_octet() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut bad = apdu(folder.path())?;
    // The subject in the heading says it goes on behind the end of the heading.
    let subject = bad.windows(4).rposition(|four| four == b"Good").unwrap();
    bad[subject - 1] = 0x7f;
    let file = folder.path().join("bad");
    fs::write(&file, &bad)?;
    let done = run(&["convert", "--to", "smtp"], &file)?;
    let said = String::from_utf8(done.stderr)?;
    assert_eq!(done.status.code(), Some(65), "{said}");
    assert!(
        said.starts_with(&format!(
            "mixgate: {}: the content cannot be read: octet {}: expected 127 octets of TeletexString",
            file.display(),
            subject - 2
        )) && said.contains("(X.690 clause 8.1)"),
        "{said}"
    );
    assert!(done.stdout.is_empty());
    Ok(())
}

fn files_that_are_no_mail_are_refused_by_octet() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bad");
    let files: [(&[u8], &str); 4] = [
        (
            b"",
            "octet 0: expected a mail (RFC 5322 section 3.5), found nothing",
        ),
        (
            b"\xa0\x06\x30\x04\x02\x01\x01\x05\x00",
            "octet 1: expected a mail (RFC 5322 section 3.5), found the control 0x06, and no header field before it",
        ),
        (
            b"Dear Jo,\x00",
            "octet 8: expected a mail (RFC 5322 section 3.5), found the control 0x00, and no header field before it",
        ),
        (
            b"\xa0\x0c0\x00\n\nSubject: within an APDU\n",
            "octet 3: expected a mail (RFC 5322 section 3.5), found the control 0x00, and no header field before it",
        ),
    ];
    for (octets, expected) in files {
        fs::write(&file, octets)?;
        let done = run(&["convert", "--to", "x400"], &file)?;
        let said = String::from_utf8(done.stderr)?;
        assert_eq!(
            (done.status.code(), said),
            (
                Some(65),
                format!("mixgate: {}: {expected}\n", file.display())
            )
        );
    }
    // Text is a mail, if a poor one: of such there are.
    fs::write(&file, "Dear Jo,\n")?;
    let done = run(&["convert", "--to", "x400"], &file)?;
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    Ok(())
}

fn files_that_are_not_there() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let nothing = folder.path().join("nothing");
    for command in [
        &["decode"][..],
        &["convert", "--to", "smtp"],
        &["convert", "--to", "x400"],
    ] {
        let done = run(command, &nothing)?;
        let said = String::from_utf8(done.stderr)?;
        assert_eq!(done.status.code(), Some(66), "{command:?}: {said}");
        assert!(said.contains("nothing: "), "{command:?}: {said}");
    }
    Ok(())
}
