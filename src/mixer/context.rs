//! What a conversion may know besides the message: who we are, the time, the identifier, the tables.
