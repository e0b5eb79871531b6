//! Laws that hold for all inputs, mostly round trips.

mod addresses;
