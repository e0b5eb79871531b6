//! Wire types of the Recommendations, generated from `/asn1`, and the guard before every decode.
