//! The SMTP endpoint (RFC 5321): commands, replies, session, server and client.
