//! Internet messages: envelope (RFC 5321), fields and addresses (RFC 5322), MIME (RFC 2045).
