//! The traffic: accept, route, deliver, report. The only room that knows both sides.

pub mod route;
