//! Where Python reads a malformed mail otherwise than it is read here.

/// Ends of the names of malformed mails that the witness reads otherwise, and how.
pub const DIFFERENCES: &[(&[&str], &str)] = &[
    (
        &[
            "custom-notification-template.eml",
            "serverm__uetmail-count.eml",
            "Inbox_0001.eml",
            "Inbox_0002.eml",
            "mailWithLongHeaders.eml",
            "mailWithManyHeaders.eml",
            "oneAttachmentAndSomeTextInlined.eml",
            "oneAttachmentWithEmptyContentType.eml",
            "oneAttachmentWithSimpleContentType.eml",
            "oneAttachmentWithoutContentType.eml",
            "oneAttachmentWithoutName.eml",
            "oneHtmlAttachmentAndSomeTextInlined.eml",
            "bad-header-wrap.raw.eml",
            "malformed__019.eml",
            "raw_email_incorrect_header.eml",
            "rfc2822__example13.eml",
            "phish_sender2.eml",
            "phish_sender4.eml",
            "multi-2gifs-base64.eml",
        ],
        "a line among the fields that is none ends the header for the witness",
    ),
    (
        &[
            "msg_42.eml",
            "mailformed-headers.eml",
            "multipartnopart.eml",
            "data__spam__015.eml",
            "data__spam__016.eml",
            "badmime3.eml",
        ],
        "the witness drops some of a multipart without parts",
    ),
    (
        &[
            "2002_06_12_doublebound.eml",
            "double-bound.eml",
            "multipartemptypart.eml",
            "issue274.eml",
        ],
        "the witness merges delimiters that follow each other",
    ),
    (
        &[
            "mime-bad-content-type.raw.eml",
            "mime-blank-media-name.raw.eml",
            "malformed__017.eml",
        ],
        "the witness misses a parameter without a semicolon before it",
    ),
    (
        &["thirdparty__003.eml", "thirdparty__015.eml"],
        "the witness misses a transfer encoding between tabs",
    ),
    (
        &[
            "bad-newlines-multiple-parts-base64.eml",
            "base64encoded-rfc822message-nested.eml",
            "base64encoded-rfc822message.eml",
        ],
        "the witness does not look into a message in base64",
    ),
    (
        &[
            "urlauth-binary.eml",
            "m0021.eml",
            "thirdparty__012.eml",
            "multi-badnames.eml",
            "multi-clen.eml",
            "multi-digest.eml",
            "multi-simple.eml",
        ],
        "the witness misses a boundary that is folded between its words",
    ),
    (
        &[
            "epilogue-sample.raw.eml",
            "boolean_decoded_content.eml",
            "big5-base64.1.eml",
        ],
        "characters outside the alphabet, or after the padding, in base64",
    ),
];

/// Whether a mail of this name is one of them.
pub fn is_known(file: &str) -> bool {
    let mut names = DIFFERENCES.iter().flat_map(|(names, _)| *names);
    names.any(|name| file.ends_with(name))
}
