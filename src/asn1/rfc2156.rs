//! What MIXER adds to X.400 (RFC 2156 appendix L, RFC 2157).

include!(concat!(env!("OUT_DIR"), "/rfc2156.rs"));
