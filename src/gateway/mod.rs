//! The traffic: accept, route, deliver, report. The only room that knows both sides.

pub mod control;
pub mod route;
