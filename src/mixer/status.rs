//! Delivery codes: X.411 reason and diagnostic to and from RFC 3463 status.
//!
//! RFC 2156 sections 5.3.8.2 (report to DSN) and 5.1.8.4 (DSN to report). The two tables are not
//! inverses of each other; what stays exact travels in Diagnostic-Code.

use super::outcome::Status;

/// X.411 non-delivery-reason-codes and their names (MTSAbstractService, `NonDeliveryReasonCode`).
pub const REASONS: &[(u32, &str)] = &[
    (0, "transfer-failure"),
    (1, "unable-to-transfer"),
    (2, "conversion-not-performed"),
    (3, "physical-rendition-not-performed"),
    (4, "physical-delivery-not-performed"),
    (5, "restricted-delivery"),
    (6, "directory-operation-unsuccessful"),
    (7, "deferred-delivery-not-performed"),
    (8, "transfer-failure-for-security-reason"),
];

/// X.411 non-delivery-diagnostic-codes and their names (`NonDeliveryDiagnosticCode`).
pub const DIAGNOSTICS: &[(u32, &str)] = &[
    (0, "unrecognised-OR-name"),
    (1, "ambiguous-OR-name"),
    (2, "mts-congestion"),
    (3, "loop-detected"),
    (4, "recipient-unavailable"),
    (5, "maximum-time-expired"),
    (6, "encoded-information-types-unsupported"),
    (7, "content-too-long"),
    (8, "conversion-impractical"),
    (9, "implicit-conversion-prohibited"),
    (10, "implicit-conversion-not-subscribed"),
    (11, "invalid-arguments"),
    (12, "content-syntax-error"),
    (13, "size-constraint-violation"),
    (14, "protocol-violation"),
    (15, "content-type-not-supported"),
    (16, "too-many-recipients"),
    (17, "no-bilateral-agreement"),
    (18, "unsupported-critical-function"),
    (19, "conversion-with-loss-prohibited"),
    (20, "line-too-long"),
    (21, "page-split"),
    (22, "pictorial-symbol-loss"),
    (23, "punctuation-symbol-loss"),
    (24, "alphabetic-character-loss"),
    (25, "multiple-information-loss"),
    (26, "recipient-reassignment-prohibited"),
    (27, "redirection-loop-detected"),
    (28, "dl-expansion-prohibited"),
    (29, "no-dl-submit-permission"),
    (30, "dl-expansion-failure"),
    (31, "physical-rendition-attributes-not-supported"),
    (32, "undeliverable-mail-physical-delivery-address-incorrect"),
    (
        33,
        "undeliverable-mail-physical-delivery-office-incorrect-or-invalid",
    ),
    (
        34,
        "undeliverable-mail-physical-delivery-address-incomplete",
    ),
    (35, "undeliverable-mail-recipient-unknown"),
    (36, "undeliverable-mail-recipient-deceased"),
    (37, "undeliverable-mail-organization-expired"),
    (38, "undeliverable-mail-recipient-refused-to-accept"),
    (39, "undeliverable-mail-recipient-did-not-claim"),
    (
        40,
        "undeliverable-mail-recipient-changed-address-permanently",
    ),
    (
        41,
        "undeliverable-mail-recipient-changed-address-temporarily",
    ),
    (42, "undeliverable-mail-recipient-changed-temporary-address"),
    (43, "undeliverable-mail-new-address-unknown"),
    (44, "undeliverable-mail-recipient-did-not-want-forwarding"),
    (45, "undeliverable-mail-originator-prohibited-forwarding"),
    (46, "secure-messaging-error"),
    (47, "unable-to-downgrade"),
    (48, "unable-to-complete-transfer"),
    (49, "transfer-attempts-limit-reached"),
    (50, "incorrect-notification-type"),
    (51, "dl-expansion-prohibited-by-security-policy"),
    (52, "forbidden-alternate-recipient"),
    (53, "security-policy-violation"),
    (54, "security-services-refusal"),
    (55, "unauthorised-dl-member"),
    (56, "unauthorised-dl-name"),
    (57, "unauthorised-originally-intended-recipient-name"),
    (58, "unauthorised-originator-name"),
    (59, "unauthorised-recipient-name"),
    (60, "unreliable-system"),
    (61, "authentication-failure-on-subject-message"),
    (62, "decryption-failed"),
    (63, "decryption-key-unobtainable"),
    (64, "double-envelope-creation-failure"),
    (65, "double-enveloping-message-restoring-failure"),
    (66, "failure-of-proof-of-message"),
    (67, "integrity-failure-on-subject-message"),
    (68, "invalid-security-label"),
    (69, "key-failure"),
    (70, "mandatory-parameter-absence"),
    (71, "operation-security-failure"),
    (72, "repudiation-failure-of-message"),
    (73, "security-context-failure"),
    (74, "token-decryption-failed"),
    (75, "token-error"),
    (76, "unknown-security-label"),
    (77, "unsupported-algorithm-identifier"),
    (78, "unsupported-security-policy"),
];

/// Status of a reason whatever its diagnostic (section 5.3.8.2). Reason 8 is ours: the RFC is older.
const STATUS_OF_REASON: &[(u32, Status)] = &[
    (0, Status(4, 4, 0)),
    (1, Status(5, 0, 0)),
    (2, Status(5, 6, 3)),
    (3, Status(5, 6, 0)),
    (4, Status(5, 1, 0)),
    (5, Status(5, 7, 1)),
    (6, Status(5, 4, 3)),
    (7, Status(5, 3, 3)),
    (8, Status(5, 7, 0)),
];

/// Status of a pair of reason and diagnostic (section 5.3.8.2).
const STATUS_OF_PAIR: &[(u32, u32, Status)] = &[
    (0, 48, Status(5, 3, 4)),
    (0, 49, Status(4, 4, 7)),
    (1, 0, Status(5, 1, 1)),
    (1, 1, Status(5, 1, 4)),
    (1, 2, Status(4, 3, 1)),
    (1, 3, Status(5, 4, 6)),
    (1, 4, Status(4, 2, 1)),
    (1, 5, Status(4, 4, 7)),
    (1, 6, Status(5, 6, 1)),
    (1, 7, Status(5, 2, 3)),
    (1, 10, Status(5, 6, 3)),
    (1, 11, Status(5, 5, 2)),
    (1, 12, Status(5, 5, 2)),
    (1, 13, Status(5, 5, 2)),
    (1, 14, Status(5, 5, 0)),
    (1, 15, Status(5, 6, 1)),
    (1, 16, Status(5, 5, 3)),
    (1, 17, Status(5, 4, 4)),
    (1, 18, Status(5, 3, 3)),
    (1, 26, Status(5, 4, 0)),
    (1, 27, Status(5, 4, 6)),
    (1, 28, Status(5, 7, 2)),
    (1, 29, Status(5, 7, 1)),
    (1, 30, Status(4, 2, 4)),
    (1, 43, Status(5, 1, 6)),
    (1, 46, Status(5, 7, 0)),
    (2, 8, Status(5, 6, 3)),
    (2, 9, Status(5, 6, 3)),
    (2, 19, Status(5, 6, 2)),
    (2, 20, Status(5, 6, 0)),
    (2, 21, Status(5, 6, 0)),
    (2, 22, Status(5, 6, 2)),
    (2, 23, Status(5, 6, 2)),
    (2, 24, Status(5, 6, 2)),
    (2, 25, Status(5, 6, 2)),
    (2, 47, Status(5, 3, 3)),
    (4, 31, Status(5, 6, 0)),
    (4, 32, Status(5, 1, 0)),
    (4, 33, Status(5, 1, 0)),
    (4, 34, Status(5, 1, 0)),
    (4, 35, Status(5, 1, 0)),
    (4, 36, Status(5, 1, 0)),
    (4, 37, Status(5, 1, 0)),
    (4, 38, Status(5, 1, 0)),
    (4, 39, Status(5, 1, 0)),
    (4, 40, Status(5, 1, 0)),
    (4, 41, Status(5, 1, 0)),
    (4, 42, Status(5, 1, 0)),
    (4, 43, Status(5, 1, 0)),
    (4, 44, Status(5, 1, 0)),
    (4, 45, Status(5, 1, 0)),
];

/// Reason and diagnostic of a status, its class left out (section 5.1.8.4). X.1.5 and X.6.4 are
/// said of deliveries only and stand with no row.
const CODES_OF_STATUS: &[(u16, u16, u32, Option<u32>)] = &[
    (0, 0, 1, None),
    (1, 0, 1, None),
    (1, 1, 1, Some(0)),
    (1, 2, 1, Some(0)),
    (1, 3, 1, Some(0)),
    (1, 4, 1, Some(1)),
    (1, 6, 1, Some(43)),
    (1, 7, 1, Some(11)),
    (1, 8, 1, Some(11)),
    (2, 0, 1, None),
    (2, 1, 1, Some(4)),
    (2, 2, 1, Some(4)),
    (2, 3, 1, Some(7)),
    (2, 4, 1, Some(30)),
    (3, 0, 0, None),
    (3, 1, 1, Some(2)),
    (3, 2, 1, Some(2)),
    (3, 3, 1, Some(18)),
    (3, 4, 1, Some(7)),
    (3, 5, 1, None),
    (4, 0, 0, None),
    (4, 1, 0, None),
    (4, 2, 0, None),
    (4, 3, 6, None),
    (4, 4, 0, None),
    (4, 5, 1, Some(2)),
    (4, 6, 1, Some(3)),
    (4, 7, 1, Some(5)),
    (5, 0, 1, None),
    (5, 1, 1, Some(14)),
    (5, 2, 1, Some(14)),
    (5, 3, 1, Some(16)),
    (5, 4, 1, Some(14)),
    (5, 5, 1, Some(18)),
    (6, 0, 2, None),
    (6, 1, 1, Some(6)),
    (6, 2, 1, Some(9)),
    (6, 3, 2, Some(8)),
    (6, 5, 2, Some(47)),
    (7, 0, 1, Some(46)),
    (7, 1, 1, Some(29)),
    (7, 2, 1, Some(28)),
    (7, 3, 1, Some(46)),
    (7, 4, 1, Some(46)),
    (7, 5, 1, Some(46)),
    (7, 6, 1, Some(46)),
    (7, 7, 1, Some(46)),
];

/// The status of a delivery report (section 5.3.8.2).
pub const DELIVERED: Status = Status(2, 0, 0);

/// The status of a non-delivery with this reason and diagnostic (section 5.3.8.2).
///
/// A pair without a row takes the status of its reason; an unknown reason is 5.0.0.
#[must_use]
pub fn status_of(reason: u32, diagnostic: Option<u32>) -> Status {
    let of_pair = STATUS_OF_PAIR
        .iter()
        .find(|(r, d, _)| *r == reason && Some(*d) == diagnostic)
        .map(|(.., status)| *status);
    let of_reason = || {
        STATUS_OF_REASON
            .iter()
            .find(|(r, _)| *r == reason)
            .map(|(_, status)| *status)
    };
    of_pair.or_else(of_reason).unwrap_or(Status(5, 0, 0))
}

/// The reason and diagnostic of a failure with this status (section 5.1.8.4).
///
/// Whether it was a failure is for Action to say; the class does not count. A detail without a row
/// is read as X.n.0, an unknown subject as X.0.0.
#[must_use]
pub fn codes_of(status: Status) -> (u32, Option<u32>) {
    let Status(_, subject, detail) = status;
    [(subject, detail), (subject, 0), (0, 0)]
        .into_iter()
        .find_map(|(s, d)| CODES_OF_STATUS.iter().find(|row| (row.0, row.1) == (s, d)))
        .map_or((1, None), |(.., reason, diagnostic)| (*reason, *diagnostic))
}

/// The name of a non-delivery-reason-code.
#[must_use]
pub fn reason_name(reason: u32) -> Option<&'static str> {
    REASONS
        .iter()
        .find(|(code, _)| *code == reason)
        .map(|(_, name)| *name)
}

/// The name of a non-delivery-diagnostic-code.
#[must_use]
pub fn diagnostic_name(diagnostic: u32) -> Option<&'static str> {
    DIAGNOSTICS
        .iter()
        .find(|(code, _)| *code == diagnostic)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_3_8_2_pairs_before_reasons() {
        assert_eq!(status_of(1, Some(0)), Status(5, 1, 1));
        assert_eq!(status_of(1, Some(43)), Status(5, 1, 6));
        assert_eq!(status_of(4, Some(43)), Status(5, 1, 0));
        assert_eq!(status_of(0, Some(49)), Status(4, 4, 7));
        assert_eq!(
            status_of(2, Some(10)),
            Status(5, 6, 3),
            "no row: that of the reason"
        );
        assert_eq!(status_of(1, Some(8)), Status(5, 0, 0));
        assert_eq!(status_of(7, None), Status(5, 3, 3));
        assert_eq!(status_of(99, Some(1)), Status(5, 0, 0));
    }

    #[test]
    fn s5_1_8_4_the_class_does_not_count_and_unknown_details_fall_back() {
        assert_eq!(codes_of(Status(4, 1, 1)), (1, Some(0)));
        assert_eq!(
            codes_of(Status(5, 2, 37)),
            (1, None),
            "the example of the section"
        );
        assert_eq!(codes_of(Status(5, 3, 6)), (0, None));
        assert_eq!(codes_of(Status(5, 6, 9)), (2, None));
        assert_eq!(codes_of(Status(5, 7, 8)), (1, Some(46)));
        assert_eq!(codes_of(Status(5, 9, 9)), (1, None));
    }

    #[test]
    fn report_to_dsn_to_report_changes_only_these() {
        let changes: &[(u32, u32, u32, Option<u32>)] = &[
            (2, 9, 2, Some(8)),
            (1, 10, 2, Some(8)),
            (2, 20, 2, None),
            (2, 21, 2, None),
            (4, 31, 2, None),
            (2, 47, 1, Some(18)),
            (1, 11, 1, Some(14)),
            (1, 12, 1, Some(14)),
            (1, 13, 1, Some(14)),
            (1, 14, 1, None),
            (1, 15, 1, Some(6)),
            (1, 17, 0, None),
            (2, 19, 1, Some(9)),
            (2, 22, 1, Some(9)),
            (2, 23, 1, Some(9)),
            (2, 24, 1, Some(9)),
            (2, 25, 1, Some(9)),
            (1, 26, 0, None),
            (1, 27, 1, Some(3)),
            (0, 48, 1, Some(7)),
            (0, 49, 1, Some(5)),
        ];
        for (reason, diagnostic, status) in STATUS_OF_PAIR {
            let back = codes_of(*status);
            let expected = changes
                .iter()
                .find(|change| (change.0, change.1) == (*reason, *diagnostic))
                .map_or((*reason, Some(*diagnostic)), |change| (change.2, change.3));
            let expected = if *reason == 4 && *diagnostic > 31 {
                (1, None)
            } else {
                expected
            };
            assert_eq!(back, expected, "{reason}/{diagnostic} over {status}");
        }
    }

    #[test]
    fn every_code_with_a_row_has_a_name() {
        for (reason, diagnostic, _) in STATUS_OF_PAIR {
            assert!(reason_name(*reason).is_some() && diagnostic_name(*diagnostic).is_some());
        }
        assert_eq!(reason_name(1), Some("unable-to-transfer"));
        assert_eq!(diagnostic_name(49), Some("transfer-attempts-limit-reached"));
        assert_eq!(diagnostic_name(79), None);
    }
}
