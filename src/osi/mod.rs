//! The OSI layers under P1: RFC 1006, transport class 0, session, presentation, ACSE, RTSE; no I/O.
