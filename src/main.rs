//! The command line of mixgate.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A gateway between X.400 and Internet mail.
#[derive(Debug, Parser)]
#[command(name = "mixgate", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve(cli::serve::Arguments),
    /// Show real messages crossing both ways, on this machine alone
    Demo(cli::demo::Arguments),
    /// Load everything a configuration names and show what is wrong with it
    Check(cli::check::Arguments),
    /// Show the configuration
    #[command(subcommand)]
    Config(cli::check::ConfigCommand),
    /// Convert messages as the service would
    Convert(cli::convert::Arguments),
    /// Show PDUs in ASN.1 value notation or JSON
    Decode(cli::decode::Arguments),
    /// Map addresses and say by which rule
    Address(cli::address::Arguments),
    /// Check, ask, import and export mapping tables
    Table(cli::table::Arguments),
    /// See and steer what waits
    Queue(cli::queue::Arguments),
    /// See, call and steer the neighbours
    Peer(cli::peer::Arguments),
    /// Have the running gateway take its tables, profiles and routes again
    Reload(cli::reload::Arguments),
    /// A test X.400 MTA that takes messages
    P1Sink(cli::p1::SinkArguments),
    /// A test X.400 MTA that sends messages
    P1Source(Box<cli::p1::SourceArguments>),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return cli::exit::usage(&error),
    };
    let outcome = match arguments.command {
        Command::Serve(arguments) => cli::serve::run(arguments),
        Command::Demo(arguments) => cli::demo::run(arguments),
        Command::Check(arguments) => cli::check::run(arguments),
        Command::Config(command) => cli::check::show(command),
        Command::Convert(arguments) => cli::convert::run(arguments),
        Command::Decode(arguments) => cli::decode::run(arguments),
        Command::Address(arguments) => cli::address::run(arguments),
        Command::Table(arguments) => cli::table::run(arguments),
        Command::Queue(arguments) => cli::queue::run(arguments),
        Command::Peer(arguments) => cli::peer::run(arguments),
        Command::Reload(arguments) => cli::reload::run(arguments),
        Command::P1Sink(arguments) => cli::p1::sink(arguments),
        Command::P1Source(arguments) => cli::p1::source(*arguments),
    };
    cli::exit::code(outcome)
}
